"""What keeps a record from opening the gate; and that each of these keeps it closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.checks.verdict import Ran
from rollback_gate.errors import WrongSetting
from rollback_gate.model import Evidence, ExitCode, failed
from rollback_gate.platform.replica import Replica
from rollback_gate.record import seal, validity
from rollback_gate.record.check import Examination, examine
from rollback_gate.workflow.gate import seconds
from tests.unit.builders import readings, replica, replica_reading
from tests.unit.record.test_record import NOW, THREE, record

STAYS = "test_worker_running::test_replica_stays_up[replica-1]"
WEEK_S = 7 * 86_400
COORDINATOR = replica(id="e" * 64, name="coordinator", service="enrichment-coordinator")
WORKERS = [replica_reading(n).before for n in (1, 2)]


def examined(**changes: Any) -> Examination:
    return examine(seal.canonical(seal.signed(record() | changes, None)), None)


def obstacles(seen: Examination, age_s: float = 60, project: str = "p") -> list[validity.Obstacle]:
    return validity.of_record(seen, project, "phase1", NOW.plus(age_s), WEEK_S)


def test_a_young_go_of_this_deployment_opens() -> None:
    """Nothing else does."""
    assert obstacles(examined()) == []
    assert obstacles(examined(), WEEK_S - 1) == []


@pytest.mark.parametrize(
    ("seen", "age_s", "project", "says", "code"),
    [
        (examined(), WEEK_S + 1, "p", "old, more than 7.0 days", ExitCode.INCONCLUSIVE),
        (examined(), -3600, "p", "in the future", ExitCode.INCONCLUSIVE),
        (examined(), 60, "q", "not of q, phase1", ExitCode.INCONCLUSIVE),
        (examined(verdict="NO-GO"), 60, "p", "cannot be relied on", ExitCode.INCONCLUSIVE),
        (examined(kind="rollback"), 60, "p", "is no verdict", ExitCode.INCONCLUSIVE),
        (examine("rubbish", None), 60, "p", "cannot be relied on", ExitCode.INCONCLUSIVE),
    ],
)
def test_what_keeps_it_closed(seen: Examination, age_s: float, project: str, says: str, code: ExitCode) -> None:
    """Each with a reason and a next step."""
    (obstacle,) = obstacles(seen, age_s, project)
    assert says in obstacle.says
    assert (obstacle.code, bool(obstacle.remedy)) == (code, True)


def test_other_settings_keep_it_closed() -> None:
    """A GO by looser limits is none by these; how the database is reached does not matter."""
    mine = [{"key": "limits.errors", "value": "5"}, {"key": "database.address", "value": "a:1"}]
    same = {"settings": [{**row, "origin": "x"} for row in mine]}
    assert validity.judged_otherwise(same, mine) == []
    looser = {"settings": [{"key": "limits.errors", "value": "99"}, {"key": "database.address", "value": "b:1"}]}
    (obstacle,) = validity.judged_otherwise(looser, mine)
    assert "limits.errors 99 (now 5)" in obstacle.says


@pytest.mark.parametrize(
    "key",
    [
        "queue.other_channels",
        "database.has_other_writers",
        "limits.start_s",
        "triggers.import_error",
        "deployment.files",
        "deployment.variables",
        "upstream.ask.trouble",
        "probe.task.text",
        "a.section.of.tomorrow",
    ],
)
def test_whatever_can_change_a_verdict_is_compared(key: str) -> None:
    """`verify --set queue.other_channels=...` must not open the gate of the plain profile; a new key neither."""
    theirs = {"settings": [{"key": key, "value": "looser"}]}
    (obstacle,) = validity.judged_otherwise(theirs, [{"key": key, "value": "mine"}])
    assert key in obstacle.says


@pytest.mark.parametrize(
    "key", ["limits.verify_s", "titles.processing", "ticket.tracker", "triggers.target", "upstream.address"]
)
def test_how_it_is_reached_and_who_is_told_may_differ(key: str) -> None:
    theirs = {"settings": [{"key": key, "value": "a"}]}
    assert validity.judged_otherwise(theirs, [{"key": key, "value": "b"}]) == []


def judged() -> dict[str, Any]:
    return record() | {"readings": _plain(readings())}


def _plain(value: Any) -> Any:
    from rollback_gate.record.build import plain

    return plain(value)


def running(*workers: Replica) -> dict[str, list[Replica]]:
    return {"enrichment-worker": list(workers), "enrichment-coordinator": [COORDINATOR]}


def test_a_table_of_patterns_that_differs_is_named_and_not_printed() -> None:
    """One pattern more: the key tells, the twelve patterns do not."""
    theirs = {"settings": [{"key": "logs.noise", "value": "[{'name': 'listener of a second connection', ...}]"}]}
    (obstacle,) = validity.judged_otherwise(theirs, [{"key": "logs.noise", "value": "[]"}])
    assert obstacle.says == "it was judged with other settings: logs.noise"


def test_what_runs_is_what_was_judged() -> None:
    """The same containers, processes, images and configurations."""
    assert validity.drift(judged(), running(*WORKERS)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "f" * 64}, "does not exist any more"),
        ({"started_at": NOW}, "was restarted"),
        ({"restart_count": 1}, "has restarted 1 times, 0 when it was judged"),
        ({"image_id": "sha256:2"}, "another image or configuration"),
        ({"config_hash": "x"}, "another image or configuration"),
        ({"status": "exited"}, "is exited"),
        ({"health": "unhealthy"}, "unhealthy"),
    ],
)
def test_each_difference_is_named(change: dict[str, Any], says: str) -> None:
    """A GO is valid for these ids."""
    first, second = WORKERS
    assert isinstance(first, Replica)
    assert isinstance(second, Replica)
    found = validity.drift(judged(), running(replace(first, **change), second))
    assert any(says in text for text in found), found


def test_another_replica_is_a_difference() -> None:
    """It was not judged."""
    first, second = WORKERS
    assert isinstance(first, Replica)
    more = replace(first, id="9" * 64, name="w-9")
    assert validity.drift(judged(), running(first, second, more)) == ["w-9 was not there when it was judged"]  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "value"), [("7d", 604_800), ("12h", 43_200), ("90m", 5400), ("0s", 0)])
def test_ages(text: str, value: float) -> None:
    """As people write them."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["7", "-1d", "1w", "", "1.5h"])
def test_no_ages(text: str) -> None:
    """Refused, with an example."""
    with pytest.raises(WrongSetting, match="--max-age"):
        seconds(text)


def test_a_go_for_three_checks_opens_only_for_who_says_that_it_is_enough() -> None:
    seen = examine(seal.canonical(record(THREE)), None)
    (obstacle,) = validity.of_record(seen, "p", "phase1", NOW.plus(60), WEEK_S)
    assert "GO (3 of 4): Completeness back to normal was not asked (thumbnails have no score)" in obstacle.says
    assert (obstacle.code, "--accept-partial" in obstacle.remedy) == (ExitCode.INCONCLUSIVE, True)
    assert validity.of_record(seen, "p", "phase1", NOW.plus(60), WEEK_S, accept_partial=True) == []


def test_what_is_accepted_is_a_partial_go_and_nothing_less() -> None:
    bad = Ran("failed", True, failed("x", "is broken", Evidence.CODE))
    seen = examine(seal.canonical(record(THREE, **{STAYS: bad})), None)
    (obstacle,) = validity.of_record(seen, "p", "phase1", NOW.plus(60), WEEK_S, accept_partial=True)
    assert obstacle.code is ExitCode.NO_GO
