"""What must stay: a rollback leaves it as it was (a migration, for example). Part of check 2."""

from __future__ import annotations

from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile


def kept(readings: Readings, profile: Profile) -> Claim:
    """All that must stay is there. What was not there before the rollback either is not held against it."""
    names = [keep.says for keep in profile.keep]
    found = {name: readings.kept.get(name, Unmeasured(name, "it was not asked")) for name in names}
    gone = [name for name, is_there in found.items() if is_there is False]
    if lost := [name for name in gone if readings.kept_before.get(name)]:
        return failed("what must stay", f"is gone since the rollback began: {', '.join(lost)}", Evidence.PROCESS)
    if gone:
        never = all(readings.kept_before.get(name) is False for name in gone)
        why = "nor was it before the rollback" if never else "whether it was before the rollback is not known"
        return inconclusive("what must stay", f"is not there, {why}: {', '.join(gone)}")
    if unread := [one for one in found.values() if isinstance(one, Unmeasured)]:
        return inconclusive("what must stay", unread[0])
    return passed("what must stay", f"is there: {', '.join(names)}", Evidence.PROCESS)
