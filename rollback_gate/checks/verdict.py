"""The verdict, computed here and nowhere else (DESIGN: the verdict)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.checks.manifest import CHECKS, required_ids
from rollback_gate.model import Claim, Finding, Outcome, Verdict, inconclusive, worst


@dataclass(frozen=True)
class Ran:
    """What became of one test. `call`: pytest's outcome of the test itself, "" when it never ran.

    `clean`: setup and teardown ended well. `claim`: what the test concluded, None when it concluded nothing.
    """

    call: str
    clean: bool
    claim: Claim | None
    trouble: str = ""


@dataclass(frozen=True)
class Judgement:
    """`reason`: one sentence a manager understands."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What belongs beside a GO: it holds, and somebody should know of this too."""
        if self.verdict is not Verdict.GO:
            return ()
        return tuple(dict.fromkeys(c.note for finding in self.findings for c in finding.claims if c.note))


def judge(slots: Mapping[str, bool], ran: Mapping[str, Ran]) -> Judgement:
    """From what every required test came to. No slot, or a test that is not there, is never GO."""
    required = required_ids(slots)
    claims = {test: effective_claim(test, ran.get(test)) for test in required}
    findings = tuple(_finding(check, [claims[t] for t, c in required.items() if c == check]) for check in CHECKS)
    outcome = worst(finding.outcome for finding in findings) if slots else Outcome.INCONCLUSIVE
    verdict = {Outcome.PASSED: Verdict.GO, Outcome.FAILED: Verdict.NO_GO}.get(outcome, Verdict.INCONCLUSIVE)
    return Judgement(verdict, _reason(verdict, findings), findings)


def effective_claim(test: str, ran: Ran | None) -> Claim:
    """What a test's end is worth: its claim stands only where pytest's outcome agrees with it."""
    if ran is None or not ran.call:
        return inconclusive(test, "required, and did not run" + (f": {ran.trouble}" if ran and ran.trouble else ""))
    if ran.claim is None:
        return inconclusive(
            test, f"ended as '{ran.call}' without a conclusion" + (f": {ran.trouble}" if ran.trouble else "")
        )
    if ran.claim.outcome is Outcome.FAILED:
        return ran.claim  # measured: it wins, whatever happened to the test afterwards
    if ran.claim.passed and not (ran.call == "passed" and ran.clean):
        return inconclusive(
            ran.claim.subject, f"concluded '{ran.claim.says}', but the test ended as '{ran.call}': {ran.trouble}"
        )
    return ran.claim


def _finding(check: str, claims: list[Claim]) -> Finding:
    outcome = worst(claim.outcome for claim in claims)
    deciding = [claim for claim in claims if claim.outcome is outcome]
    reason = "; ".join(f"{claim.subject}: {claim.says}" for claim in deciding[:3]) if deciding else "nothing ran"
    if outcome is Outcome.PASSED:
        reason = f"all {len(claims)} assertions hold, first of them: {claims[0].subject} {claims[0].says}"
    more = len(deciding) - 3
    if outcome is not Outcome.PASSED and more > 0:
        reason += f"; and {more} more"
    return Finding(check, outcome, reason, tuple(claims))


def _reason(verdict: Verdict, findings: tuple[Finding, ...]) -> str:
    if verdict is Verdict.GO:
        return "every check ran to its end, measured what it needs on every replica, and passed"
    wanted = Outcome.FAILED if verdict is Verdict.NO_GO else Outcome.INCONCLUSIVE
    notes = (claim.note for f in findings for claim in f.claims if claim.outcome is wanted and claim.note)
    if first := next(notes, ""):
        return first
    for finding in findings:
        if finding.outcome is wanted:
            return finding.reason
    return "no replica was expected, so nothing could be judged"
