"""The verdict, computed here and nowhere else (DESIGN: the verdict)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.checks import sentences
from rollback_gate.checks.manifest import Scope
from rollback_gate.model import Claim, Finding, Outcome, Verdict, inconclusive, worst


@dataclass(frozen=True)
class Ran:
    """The result of one test. `call`: pytest's outcome of the test itself, "" if it never ran.

    `clean`: True if setup and teardown succeeded. `claim`: what the test concluded, None if it concluded nothing.
    """

    call: str
    clean: bool
    claim: Claim | None
    trouble: str = ""


@dataclass(frozen=True)
class Judgement:
    """`reason`: one sentence a manager understands. `share`: "3 of 4" checks were asked; "" for all."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]
    share: str = ""

    @property
    def headline(self) -> str:
        """The verdict as it is shown: a GO says of how many checks."""
        return f"{self.verdict} ({self.share})" if self.share and self.verdict is Verdict.GO else self.verdict.value

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes shown beside a GO: they do not change it, but the operator should know them."""
        if self.verdict is not Verdict.GO:
            return ()
        return tuple(dict.fromkeys(c.note for finding in self.findings for c in finding.claims if c.note))


def judge(slots: Mapping[str, bool], ran: Mapping[str, Ran], scope: Scope) -> Judgement:
    """The verdict from the results of all required tests. Without slots, or with a missing test, it is never GO."""
    required = scope.ids(slots)
    claims = {test: effective_claim(test, ran.get(test)) for test in required}
    findings = tuple(
        _finding(check, {t: claims[t] for t, c in required.items() if c == check}, slots) for check in scope.checks
    )
    outcome = worst(finding.outcome for finding in findings) if slots else Outcome.INCONCLUSIVE
    verdict = {Outcome.PASSED: Verdict.GO, Outcome.FAILED: Verdict.NO_GO}.get(outcome, Verdict.INCONCLUSIVE)
    return Judgement(verdict, _reason(verdict, findings, slots, scope), findings, scope.share)


def effective_claim(test: str, ran: Ran | None) -> Claim:
    """A test's claim. A pass counts only if pytest's outcome agrees, a failure always; no claim is inconclusive."""
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


def _finding(check: str, claims: Mapping[str, Claim], slots: Mapping[str, bool]) -> Finding:
    """`claims`: by test, in the order of the manifest."""
    outcome, rows = worst(claim.outcome for claim in claims.values()), tuple(claims.values())
    deciding = {test: claim for test, claim in claims.items() if claim.outcome is outcome}
    if outcome is Outcome.PASSED:
        reason = sentences.passed(check, slots, rows)
    elif outcome is Outcome.FAILED:
        reason = sentences.failed(deciding, slots)
    else:
        reason = sentences.undecided(list(deciding.values()))
    return Finding(check, outcome, reason, rows)


def _reason(verdict: Verdict, findings: tuple[Finding, ...], slots: Mapping[str, bool], scope: Scope) -> str:
    if verdict is Verdict.GO:
        return sentences.all_passed(slots, scope.share, len(scope.checks))
    wanted = Outcome.FAILED if verdict is Verdict.NO_GO else Outcome.INCONCLUSIVE
    notes = (claim.note for f in findings for claim in f.claims if claim.outcome is wanted and claim.note)
    if first := next(notes, ""):
        return first
    for finding in findings:
        if finding.outcome is wanted:
            return finding.reason
    return "no replica was expected, so nothing could be judged"
