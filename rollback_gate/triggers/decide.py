"""All triggers in the order of the runbook's tree, and their combined decision. No other place decides that.

Every rule is asked. The most severe conclusion wins (model.Decision has the order); among equal ones, the first rule
names the reason. An unmeasured rule concludes CANNOT TELL: above any calm conclusion, below any alarm.
docs/decisions/0008-triggers.md explains why the most severe wins and not the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollback_gate.evidence.symptoms import Symptoms
from rollback_gate.instant import Instant
from rollback_gate.model import Decision
from rollback_gate.profile.schema import Profile
from rollback_gate.triggers import completeness, documents, errors, startup
from rollback_gate.triggers.rule import Answer, Rule, State, named

NOW, TREE, WAIT, OWN = "Immediate Rollback", "Decision Tree", "Wait Before Rollback", "not in the runbook"

RULES = (
    Rule("import_error", f"{NOW} 1; {TREE}", "Import or syntax error?", "yes: ROLL BACK NOW", startup.import_error),
    Rule(
        "crash_on_start", f"{NOW} 2; {TREE}", "Worker crashes on startup?", "yes: ROLL BACK NOW", startup.crash_on_start
    ),
    Rule(
        "same_error",
        f"{NOW} 5",
        "All documents failing with the same error?",
        "yes: {upstream} OK: ROLL BACK NOW, else: {FIX_UPSTREAM}",
        documents.same_error,
        "processing",
    ),
    Rule(
        "no_test_document",
        f"{NOW} 6",
        "Not one test document successful?",
        "yes: {upstream} OK: ROLL BACK NOW, else: {FIX_UPSTREAM}",
        documents.no_test_document,
        "processing",
    ),
    Rule(
        "too_low",
        f"{NOW} 3; {TREE}",
        "Completeness below {critical} after {after}?",
        "yes: ROLL BACK NOW; before: WAIT",
        completeness.too_low,
        "completeness",
    ),
    Rule(
        "too_slow",
        f"{NOW} 4; {TREE}",
        "Processing time above {slow} consistently?",
        "yes: {upstream} OK: ROLL BACK NOW, slow: {FIX_UPSTREAM}",
        documents.too_slow,
        "processing",
    ),
    Rule(
        "error_spike",
        TREE,
        "Error spike, {spike} an hour and more?",
        "yes: unexpected types: ROLL BACK NOW, expected: WAIT, later INVESTIGATE",
        errors.error_spike,
    ),
    Rule("upstream", TREE, "Trouble of {upstream}?", "yes: {FIX_UPSTREAM}", documents.upstream),
    Rule("stopped", OWN, "Replicas stopped, paused or missing?", "yes: INVESTIGATE", startup.stopped),
    Rule(
        "nothing_to_roll_back",
        OWN,
        "Old code in every replica already?",
        "yes: INVESTIGATE",
        startup.nothing_to_roll_back,
    ),
    Rule(
        "below_target",
        f"{WAIT} 1; {TREE}",
        "Completeness below {target}?",
        "rising: WAIT up to {wait}, then KEEP if {target} is near; else INVESTIGATE",
        completeness.below_target,
        "completeness",
    ),
    Rule(
        "some_errors",
        f"{WAIT} 2",
        "Some errors appearing?",
        "yes: WAIT, unexpected ones later: INVESTIGATE",
        errors.some_errors,
    ),
    Rule(
        "slower",
        f"{WAIT} 3",
        "Processing time slightly higher?",
        "yes: WAIT, later INVESTIGATE",
        documents.slower,
        "processing",
    ),
    Rule(
        "mixed",
        f"{WAIT} 4",
        "Mixed success and failures?",
        "yes: WAIT, later INVESTIGATE",
        documents.mixed,
        "processing",
    ),
    Rule(
        "reaches_target",
        TREE,
        "Completeness increasing to {target} and more?",
        "yes: KEEP, keep monitoring",
        completeness.reaches_target,
        "completeness",
    ),
)
ALL_GOOD = "all metrics look good: no trigger fires"  # the tree's last leaf: every rule is quiet


@dataclass(frozen=True)
class Assessment:
    """The combined decision. `rule`: the one that decided, "" if every rule was quiet. `fix`: the tree's hint."""

    decision: Decision
    reason: str
    rule: str
    section: str
    fix: str
    at: Instant
    answers: tuple[tuple[str, Answer], ...]


def decide(symptoms: Symptoms, profile: Profile) -> Assessment:
    """Pure and total: any measurement leads to a decision."""
    answers = [(rule, rule.answer(symptoms, profile)) for rule in RULES]
    loud = [(rule, answer) for rule, answer in answers if answer.state is not State.QUIET]
    rows = tuple((rule.name, answer) for rule, answer in answers)
    if not loud:
        return Assessment(Decision.KEEP, ALL_GOOD, "", TREE, "", symptoms.now, rows)
    rule, answer = max(loud, key=lambda row: row[1].concludes.severity)  # the first of equals
    reason = f"{named(rule.asks, profile)} {answer.says}"
    if answer.concludes is Decision.INVESTIGATE:
        reason += _trends(rule, loud)
    fix = str(getattr(profile.triggers.fix, rule.name)) if answer.state is State.FIRES else ""
    return Assessment(answer.concludes, reason, rule.name, rule.section, fix, symptoms.now, rows)


def _trends(decided: Rule, loud: list[tuple[Rule, Answer]]) -> str:
    """Names the other triggers that speak for a rollback: "may rollback if above trends met"."""
    others = [(rule, answer) for rule, answer in loud if rule is not decided and answer.state is State.FIRES]
    names = [rule.name for rule, answer in others if answer.concludes is not Decision.KEEP]
    return f"; also: {', '.join(names)}" if names else "; no other trend is met"
