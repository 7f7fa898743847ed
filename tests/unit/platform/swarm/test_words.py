"""Swarm's words, on answers of a real manager (Docker Engine 20.10.24, three nodes)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.platform.swarm import service, tasks
from rollback_gate.platform.swarm.service import Update
from tests.unit.builders import CAPTURES


def capture(name: str) -> Any:
    return json.loads((CAPTURES / "swarm" / f"{name}.json").read_text())


def read(name: str) -> list[tasks.Task]:
    return [tasks.parse(row) for row in capture(f"tasks-{name}")]


def a_service(name: str) -> service.Service:
    found = capture(f"service-{name}")
    return service.parse(found[0] if isinstance(found, list) else found)


@pytest.mark.parametrize(
    ("name", "expected", "may_run"),
    [
        ("bindmiss-1", {"REFUSED": 8, "RUNS": 1}, 1),
        ("miss-1", {"REFUSED": 8, "RUNS": 1}, 1),
        ("pa-1-paused", {"COMES": 2, "ENDED": 1, "FAILED": 1, "GOES": 1, "RUNS": 1}, 4),
        ("sf-1-during-1", {"RUNS": 3, "WAITS": 1}, 3),
        ("sf-1-during-5", {"GOES": 3, "RUNS": 3}, 6),
        ("sf-6-scale2-now", {"ENDED": 6, "GOES": 3, "RUNS": 2}, 5),
        ("tw-4-killed-now", {"COMES": 1, "ENDED": 4, "FAILED": 1, "RUNS": 2}, 3),
        ("tw-6-drain-now", {"COMES": 1, "ENDED": 3, "FAILED": 2, "GOES": 1, "RUNS": 2}, 4),
        ("tw-8-down-now", {"COMES": 1, "ENDED": 6, "FAILED": 2, "GOES": 1, "RUNS": 2}, 4),
        ("tw-8-down-later", {"ENDED": 6, "FAILED": 1, "GOES": 1, "RUNS": 3}, 4),
        ("tw-12-node-removed", {"COMES": 1, "ENDED": 8, "FAILED": 1, "ORPHANED": 1, "RUNS": 2}, 4),
    ],
)
def test_what_states_come_to(name: str, expected: dict[str, int], may_run: int) -> None:
    """`may_run`: three replicas are normal; a node that is down goes on running its own, besides the new ones.

    One that is on its way may have arrived, as far as its node can tell nobody.
    """
    found = read(name)
    assert Counter(task.condition.name for task in found) == expected
    assert sum(task.may_run for task in found) == may_run


def test_why_a_node_refuses_is_said() -> None:
    says = {task.says for name in ("bindmiss-1", "miss-1") for task in read(name) if task.error}
    assert says == {
        "was refused by its node: No such image: sx/only1:1",
        'was refused by its node: invalid mount config for type "bind": bind source path does not exist: '
        "/var/lib/swarm-explore/srv/only1",
    }


def test_two_tasks_share_a_slot_while_the_new_one_starts_first() -> None:
    assert Counter(task.place for task in read("sf-1-during-5")) == {(1, ""): 2, (2, ""): 2, (3, ""): 2}
    everywhere = [tasks.parse({**row, "Slot": 0}) for row in capture("tasks-sf-1-during-5")]
    assert all(slot == 0 and node for slot, node in (task.place for task in everywhere))


def test_a_word_that_is_not_known_is_never_calm() -> None:
    (row, *_) = capture("tasks-miss-1")
    odd = tasks.parse({**row, "Status": {**row["Status"], "State": "dreaming", "Err": ""}})
    assert (odd.condition.name, odd.may_run, odd.says) == ("UNKNOWN", True, "is in a state that is not known")
    shown = capture("service-a-1-after")
    shown = shown[0] if isinstance(shown, list) else shown
    assert service.parse({**shown, "UpdateStatus": {"State": "dreaming"}}).update is Update.UNKNOWN
    assert not service.parse({**shown, "UpdateStatus": {"State": "dreaming"}}).is_at_rest


def test_an_answer_of_another_form_is_an_error() -> None:
    (row, *_) = capture("tasks-miss-1")
    with pytest.raises(KeyError):
        tasks.parse({key: value for key, value in row.items() if key != "Status"})
    with pytest.raises(KeyError):
        service.parse({"ID": "x"})


@pytest.mark.parametrize(
    ("name", "update", "is_at_rest"),
    [
        ("a-0", Update.NONE, True),
        ("a-1-during", Update.GOES_ON, False),
        ("a-1-after", Update.DONE, True),
        ("a-3-rollback-during", Update.GOES_BACK, False),
        ("a-3-rollback-after", Update.WENT_BACK, True),
        ("pa-1-paused", Update.PAUSED, False),
        ("ro-4-13", Update.GOES_BACK, False),
        ("ro-4-19", Update.WENT_BACK, True),
        ("web-1-redeploy-same", Update.NONE, True),
    ],
)
def test_what_an_update_status_comes_to(name: str, update: Update, is_at_rest: bool) -> None:
    found = a_service(name)
    assert (found.update, found.is_at_rest, found.replicas) == (update, is_at_rest, 3)


def test_a_task_and_its_service_are_compared_by_what_they_were_made_from() -> None:
    """A paused update: some slots have the new spec, others the old one."""
    paused = a_service("pa-1-paused")
    made = Counter(task.template == paused.template for task in read("pa-1-paused") if task.is_wanted)
    assert made == {True: 2, False: 1}


def test_a_global_service_has_no_number_of_replicas() -> None:
    shown = capture("service-a-0")
    shown = shown[0] if isinstance(shown, list) else shown
    everywhere = {**shown, "Spec": {**shown["Spec"], "Mode": {"Global": {}}}}
    assert service.parse(everywhere).replicas is None


@pytest.mark.parametrize(
    ("target", "is_over"), [("/app", True), ("/app/", True), ("/app/code/a.py", True), ("/app/cod", False), ("/", True)]
)
def test_code_behind_a_mount_of_a_service_is_told_without_a_container(target: str, is_over: bool) -> None:
    spec = {"TaskTemplate": {"ContainerSpec": {"Mounts": [{"Target": target}]}}}
    assert replace(a_service("a-1-after"), spec=spec).mounts_over("/app/code/a.py") is is_over
