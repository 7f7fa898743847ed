"""One trigger of the runbook, and its possible answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from rollback_gate.evidence.symptoms import Symptoms
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Optional, Profile


class State(enum.StrEnum):
    FIRES = "fires"
    QUIET = "quiet"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True)
class Answer:
    """`concludes`: what this answer alone would lead to. Unmeasured is never calm: it concludes CANNOT TELL."""

    state: State
    concludes: Decision
    says: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """`section`: of the runbook. `asks`: the tree's question. `leads_to`: the tree's answer, for display.

    Both may have what `named` fills in. `needs`: the check whose
    evidence it uses; a profile that leaves that one out leaves the rule out, too.
    """

    name: str
    section: str
    asks: str
    leads_to: str
    ask: Callable[[Symptoms, Profile], Answer]
    needs: Optional | None = None

    def answer(self, symptoms: Symptoms, profile: Profile) -> Answer:
        if self.needs and not profile.asks(self.needs):
            return quiet(f"the profile leaves it out: {profile.not_asked[self.needs]}")
        return self.ask(symptoms, profile)


def named(text: str, profile: Profile) -> str:
    """A rule's text with the profile's limits, and with the name of its upstream."""
    upstream, rules, wanted = profile.upstream_name, profile.triggers, profile.completeness
    return text.format(
        upstream=upstream,
        FIX_UPSTREAM=Decision.FIX_UPSTREAM.in_words(upstream),
        critical=_percent(wanted.critical) if wanted else "its limit",
        target=_percent(profile.target) if profile.target is not None else "its target",
        after=duration(rules.after_s),
        wait=duration(rules.wait_s),
        slow=duration(rules.slow_s),
        spike=rules.spike,
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def fires(decision: Decision, says: str, *evidence: str) -> Answer:
    return Answer(State.FIRES, decision, says, evidence)


def quiet(says: str, *evidence: str) -> Answer:
    return Answer(State.QUIET, Decision.KEEP, says, evidence)


def unmeasured(says: str | Unmeasured, *evidence: str) -> Answer:
    return Answer(State.UNMEASURED, Decision.CANNOT_TELL, str(says), evidence)


def duration(seconds: float) -> str:
    """A duration for display."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{round(seconds / 3600, 1):g} hours"


def waits(symptoms: Symptoms, profile: Profile) -> bool:
    """True until the wait ends (runbook, Wait Before Rollback: 1-2 hours)."""
    return symptoms.elapsed_s < profile.triggers.wait_s


def until(symptoms: Symptoms, seconds: float) -> str:
    """The time of day this many seconds after the deployment."""
    return symptoms.deployed_at.plus(seconds).to_datetime().strftime("%H:%M:%S UTC")
