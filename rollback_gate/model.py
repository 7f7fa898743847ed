"""The terms of the product as frozen values (DESIGN: the words, the verdict)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Outcome(enum.StrEnum):
    """The outcome of a claim or a check."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Verdict(enum.StrEnum):
    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


class Decision(enum.StrEnum):
    """The conclusions of the runbook's triggers, calmest first (runbook, When to Rollback; Decision Tree)."""

    KEEP = "KEEP"
    WAIT = "WAIT"
    CANNOT_TELL = "CANNOT TELL"
    INVESTIGATE = "INVESTIGATE"
    FIX_UPSTREAM = "FIX THE UPSTREAM FIRST"
    ROLL_BACK = "ROLL BACK NOW"

    @property
    def severity(self) -> int:
        """Place in the order above."""
        return list(Decision).index(self)

    def in_words(self, upstream: str) -> str:
        """As people read it: with the profile's name of the upstream."""
        return f"FIX {upstream.upper()} FIRST" if self is Decision.FIX_UPSTREAM else self.value


class ExitCode(enum.IntEnum):
    """The same for every task. 1 is Invoke's own, for wrong usage. For assess, NO_GO means ROLL BACK NOW."""

    GO = 0
    WRONG_SETTING = 2
    NO_GO = 10
    INCONCLUSIVE = 20
    FIX_UPSTREAM = 21
    INVESTIGATE = 22
    ROLLBACK_FAILED = 30
    LOCKED = 40
    REFUSED = 50


WRONG_USAGE = 1  # Invoke's own
MEANING = {
    ExitCode.GO: "GO, or done; of assess: KEEP or WAIT",
    WRONG_USAGE: "no such command or option",
    ExitCode.WRONG_SETTING: "the profile or a setting is wrong",
    ExitCode.NO_GO: "NO-GO: the rollback did not take effect, or the service does not work; of assess: ROLL BACK NOW",
    ExitCode.INCONCLUSIVE: (
        "INCONCLUSIVE: something could not be measured; of gate: closed, but for a NO-GO; of assess: CANNOT TELL"
    ),
    ExitCode.FIX_UPSTREAM: "assess: FIX THE UPSTREAM FIRST, by the name that the profile gives it",
    ExitCode.INVESTIGATE: "assess: INVESTIGATE",
    ExitCode.ROLLBACK_FAILED: "the rollback failed; the record reports the state of the service",
    ExitCode.LOCKED: "another run holds the lock",
    ExitCode.REFUSED: "preflight refused; nothing was touched",
}
EXIT_OF_VERDICT = {
    Verdict.GO: ExitCode.GO,
    Verdict.NO_GO: ExitCode.NO_GO,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


EXIT_OF_DECISION = {
    Decision.KEEP: ExitCode.GO,
    Decision.WAIT: ExitCode.GO,
    Decision.ROLL_BACK: ExitCode.NO_GO,
    Decision.CANNOT_TELL: ExitCode.INCONCLUSIVE,
    Decision.FIX_UPSTREAM: ExitCode.FIX_UPSTREAM,
    Decision.INVESTIGATE: ExitCode.INVESTIGATE,
}


@dataclass(frozen=True)
class Unmeasured:
    """Why something could not be measured. Replaces a reading; it is never an empty reading."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what} could not be measured: {self.reason}"


class Evidence(enum.StrEnum):
    """The evidence behind a claim, strongest first."""

    CODE = "code in the container"
    PROCESS = "state of the process"
    DOCUMENT = "a fresh document"
    LOG = "log lines since the boundary"
    AVERAGE = "averages"
    NOTHING = "nothing measured"


@dataclass(frozen=True)
class Claim:
    """One statement of a check about one subject (a replica, the documents ...), with what was seen.

    `note`, in a few words: for a passed claim, a remark beside the verdict; for any other, what to do first. "" for
    none.
    """

    outcome: Outcome
    subject: str
    says: str
    stands_on: Evidence
    details: tuple[str, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True)
class Finding:
    """The conclusion of one check from its claims."""

    check: str
    outcome: Outcome
    reason: str
    claims: tuple[Claim, ...]

    @property
    def tally(self) -> str:
        """How many of its assertions came to that."""
        return tally(self.outcome, [claim.outcome for claim in self.claims])


def tally(outcome: str, claims: Sequence[str]) -> str:
    """ "3 of 20 assertions failed". `outcome`: of the check; `claims`: of each of its claims."""
    ended = {Outcome.FAILED: " failed", Outcome.INCONCLUSIVE: " could not be judged"}
    return f"{sum(one == outcome for one in claims)} of {len(claims)} assertions{ended.get(Outcome(outcome), '')}"


def passed(subject: str, says: str, on: Evidence, *details: str) -> Claim:
    return Claim(Outcome.PASSED, subject, says, on, details)


def failed(subject: str, says: str, on: Evidence, *details: str) -> Claim:
    return Claim(Outcome.FAILED, subject, says, on, details)


def inconclusive(subject: str, says: str | Unmeasured, *details: str) -> Claim:
    return Claim(Outcome.INCONCLUSIVE, subject, str(says), Evidence.NOTHING, details)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """A measured failure outweighs everything else; no outcome at all is inconclusive."""
    seen = set(outcomes)
    if Outcome.FAILED in seen:
        return Outcome.FAILED
    return Outcome.PASSED if seen == {Outcome.PASSED} else Outcome.INCONCLUSIVE
