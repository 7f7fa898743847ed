"""Check 3, of what a service itself answers: its ready conditions, and a request as its clients send it."""

from __future__ import annotations

from dataclasses import replace

from rollback_gate.evidence.answered import Answered
from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile


def answers(readings: Readings, profile: Profile) -> Claim:
    """Every service that has a ready condition is ready, and the request was answered as it should be."""
    found = {name: readings.answers.get(name, Unmeasured(name, "it was not asked")) for name in profile.answering}
    told = {name: one for name, one in found.items() if isinstance(one, Answered)}
    if wrong := [f"{name}: {one.says}" for name, one in told.items() if not one.is_fine]:
        if not readings.upstream.answers:
            claim = inconclusive(
                "answers", f"not as it should be ({wrong[0]}), and it may not be its own fault", *wrong
            )
            return replace(claim, note=readings.upstream.fix_first)
        return failed("answers", f"not as it should be: {wrong[0]}", Evidence.PROCESS, *wrong)
    if unread := [one for one in found.values() if isinstance(one, Unmeasured)]:
        return inconclusive("answers", unread[0])
    left = [one.left for one in told.values() if one.left]
    details = [f"{name}: {one.says}" for name, one in told.items()]
    claim = passed("answers", f"as it should be: {', '.join(told)}", Evidence.PROCESS, *details)
    return replace(claim, note=left[0], details=(*claim.details, *left)) if left else claim
