"""Every situation after a deployment, on a real one: which rule decides, and what the exit code is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import situations
from lab.situations import SITUATIONS, Situation
from rollback_gate.model import EXIT_OF_DECISION, Decision
from rollback_gate.triggers.decide import RULES
from tests.e2e.conftest import Nature, Operator, running_lab
from tests.marks import thorough


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("assess")
    with running_lab("bind", "phase1", "e2e-assess", folder, nature=Nature(manner="tame")) as started:
        yield started


def assessed(operator: Operator, *arguments: str) -> tuple[int, dict[str, Any]]:
    ended = operator.invoke("assess", "--json", *arguments)
    table: dict[str, Any] = json.loads(ended.output)
    return ended.status, table


def answers(table: dict[str, Any]) -> dict[str, str]:
    return {answer["rule"]: answer["state"] for answer in table["answers"]}


FIRST = {situation.decision: situation for situation in reversed(SITUATIONS)}  # the first that leads to each decision


@pytest.mark.parametrize(
    "situation",
    [pytest.param(one, id=one.name) if one in FIRST.values() else thorough(one, name=one.name) for one in SITUATIONS],
)
def test_situation(operator: Operator, situation: Situation) -> None:
    """The decision, by the rule that is to make it, with its words; and the exit code says the same."""
    status, table = assessed(operator, *situations.prepare(operator.lab, situation))
    said = json.dumps([table["reason"], table["answers"], table["numbers"]], indent=1)
    assert (table["decision"], table["rule"]) == (situation.decision.value, situation.rule), said
    assert situation.words in table["reason"]
    assert status == EXIT_OF_DECISION[situation.decision]
    assert answers(table)[situation.rule] != "quiet"


def test_when_all_is_well_no_rule_but_the_last_fires(operator: Operator) -> None:
    """Each rule is seen not to fire, on the real thing, with every reading measured."""
    well = next(situation for situation in SITUATIONS if situation.name == "well-probed")
    _, table = assessed(operator, *situations.prepare(operator.lab, well))
    expected = {rule.name: "quiet" for rule in RULES} | {"reaches_target": "fires"}
    assert answers(table) == expected, json.dumps(table["answers"], indent=1)
    assert table["numbers"]["documents"]["failed"] == 0
    assert operator.lab.database.enriched_documents.count_documents({"_id": {"$regex": "^rollback-probe-"}}) == 0


def test_a_rollback_takes_its_reason_from_the_assessment(operator: Operator) -> None:
    """ROLL BACK NOW, then `rollback verify` without a reason: the record says why."""
    low = next(situation for situation in SITUATIONS if situation.name == "too-low")
    _, table = assessed(operator, *situations.prepare(operator.lab, low))
    operator.lab.mcp("envelope")
    ended = operator.rollback("verify")
    assert ended.status == 0, ended.output
    record = operator.newest_record()
    assert record["run"]["reason"] == table["reason"]
    assert record["assessment"]["decision"] == Decision.ROLL_BACK.value
    page = (record["folder"] / "report.html").read_text()
    assert "Why it was rolled back" in page
    assert "What to fix: check adaptive timeouts" in page
    checked = operator.invoke("record.check", str(record["folder"] / "report.html"))
    assert checked.status == 0, checked.output


def test_against_the_assessment_only_by_name(operator: Operator) -> None:
    """Where it says KEEP and nobody can answer, a rollback is refused before anything is touched, unless told by name."""
    well = next(situation for situation in SITUATIONS if situation.name == "well")
    _, table = assessed(operator, *situations.prepare(operator.lab, well))
    assert table["decision"] == Decision.KEEP.value
    for task in ("rollback", "rollback.production"):
        refused = operator.invoke(task, "--reason", "I say so")
        assert (refused.status, "--despite-assessment" in refused.output) == (50, True), refused.output
        assert "Subject:" not in refused.output
    ended = operator.rollback("--despite-assessment", "--reason", "I say so")
    assert ended.status == 0, ended.output
    operator.verify()
    record = operator.newest_record()
    assert record["run"]["reason"] == "I say so"
    assert record["run"]["attempts"][0]["overrides"] == ["--despite-assessment"]


def test_for_people(operator: Operator) -> None:
    """The decision first, with its section, the tree's hint, and what to type next; then every rule that was asked."""
    low = next(situation for situation in SITUATIONS if situation.name == "too-low")
    ended = operator.invoke("assess", "--all", *situations.prepare(operator.lab, low))
    assert ended.status == 10, ended.output
    for text in (
        "Import or syntax error?",
        "Immediate Rollback 3",
        "ROLL BACK NOW: ",
        "Fix: check adaptive timeouts",
        "→ invoke rollback verify",
    ):
        assert text in ended.output, ended.output


def test_a_watch_ends_with_the_decision(operator: Operator) -> None:
    """It waits while completeness is judged too early, and ends when it is not any more."""
    low = next(situation for situation in SITUATIONS if situation.name == "too-low")
    arguments = situations.prepare(operator.lab, low)
    since = arguments[arguments.index("--since") + 1]
    ended = operator.invoke(
        "assess",
        "--watch",
        "--since",
        since,
        "--set",
        "triggers.after_s=12",
        "--set",
        "triggers.watch_s=1",
        "--set",
        "completeness.minimum_sample=4",
    )
    assert ended.status == 10, ended.output
    assert "WAIT: " in ended.output
    assert ended.output.rindex("ROLL BACK NOW: ") > ended.output.rindex("WAIT: ")


def test_what_cannot_be_measured_is_no_calm(operator: Operator) -> None:
    """Without an engine, or with a nonsense --since: said, with what to do."""
    ended = operator.invoke("assess", DOCKER_HOST="tcp://127.0.0.1:1")
    assert (ended.status, "no Docker Engine answers" in ended.output) == (20, True), ended.output
    ended = operator.invoke("assess", "--since", "yesterday")
    assert (ended.status, "for example --since" in ended.output) == (2, True), ended.output
