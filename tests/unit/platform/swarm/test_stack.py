"""Containers beside the tasks that they are of: answers of a real manager, and containers as their nodes show them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback_gate.instant import Instant
from rollback_gate.platform.swarm import nodes
from rollback_gate.platform.swarm.stack import Seen, Stack, by_service, hash_of
from rollback_gate.platform.swarm.tasks import Task, template_of
from tests.unit.builders import replica
from tests.unit.platform.swarm.test_nodes import rows

NODES = nodes.parse(rows())
HERE, THERE = NODES[0], NODES[1]


def task(number: int = 1, **changes: object) -> Task:
    made = Task(
        id=f"task{number}",
        service="s",
        slot=number,
        node=HERE.id,
        state="running",
        desired="running",
        container=f"{number}" * 64,
        template='{"Image": "a:1"}',
        at=Instant.parse("2026-11-27T12:00:00Z"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def seen(number: int = 1, **changes: object) -> Seen:
    made = replica(id=f"{number}" * 64, name=f"p_worker.{number}.task{number}", node=HERE.name)
    return Seen(replace(made, **changes), "worker", f"task{number}")  # type: ignore[arg-type]


def stack(containers: list[Seen], tasks: list[Task], unasked: dict[str, str] | None = None) -> Stack:
    return Stack("worker", tuple(containers), tuple(tasks), NODES, unasked or {})


def test_the_container_of_a_wanted_task_is_a_replica_with_its_definition() -> None:
    (found,) = stack([seen()], [task()]).replicas()
    assert (found.service, found.number, found.unwanted) == ("worker", "1", "")
    assert found.config_hash == hash_of('{"Image": "a:1"}')


def test_a_container_that_has_ended_counts_while_its_task_is_wanted() -> None:
    """The manager learns of its end later: until then it is a replica that does not run."""
    assert [one.status for one in stack([seen(status="exited")], [task()]).replicas()] == ["exited"]


def test_what_a_node_has_kept_of_former_tasks_is_no_replica() -> None:
    former = task(state="shutdown", desired="shutdown")
    assert stack([seen(status="exited")], [former]).replicas() == []
    assert stack([seen(status="exited")], []).replicas() == []


def test_a_container_that_outlived_its_task_is_told_and_why() -> None:
    ended = stack([seen()], [task(state="shutdown", desired="shutdown")]).replicas()
    going = stack([seen()], [task(state="running", desired="shutdown")]).replicas()
    unknown = stack([seen()], []).replicas()
    assert [one.unwanted for one in (*ended, *going, *unknown)] == [
        "has ended",
        "is being stopped",
        "is of a task that the manager does not know",
    ]


def test_a_slot_that_swarm_has_given_up_is_shown_by_its_last_failure() -> None:
    """`max_attempts` is reached, and no task is wanted: what failed is what there is of the service."""
    failed = [
        task(1, state="failed", desired="shutdown"),
        task(2, slot=1, state="failed", desired="shutdown", at=Instant.parse("2026-11-27T12:01:00Z")),
    ]
    containers = [seen(1, status="exited", exit_code=1), seen(2, status="exited", exit_code=1)]
    found = replace(stack(containers, failed), replicas_wanted=1).replicas()
    assert [(one.id[0], one.condition, one.unwanted) for one in found] == [
        ("2", "exited with status 1 (restarted 2 times)", "")
    ]
    beyond = replace(stack(containers, [replace(one, slot=4) for one in failed]), replicas_wanted=3)
    assert beyond.replicas() == []
    coming = [*failed, task(3, slot=1, state="preparing", container="")]
    assert replace(stack(containers, coming), replicas_wanted=1).replicas() == []


def test_failed_tasks_of_a_slot_count_as_restarts_while_nothing_else_was_ordered() -> None:
    """Of another definition, or another slot, they say nothing about this one; nor do those that the manager stopped."""
    failed = [task(11, slot=1, state="failed", desired="shutdown"), task(12, slot=1, state="complete")]
    others = [
        task(13, slot=2, state="failed"),
        task(14, slot=1, state="failed", template="another"),
        task(15, slot=1, state="shutdown"),
        task(16, slot=1, state="rejected"),
    ]
    assert [one.restarts for one in stack([seen()], [task(), *failed, *others]).replicas()] == [2]


def test_how_tasks_ended_on_a_drained_node_says_nothing_of_the_next_one() -> None:
    """One that ignores the stop there is killed, and can count as failed."""
    killed = task(11, slot=1, node=THERE.id, state="failed", desired="shutdown", error="task: non-zero exit (137)")
    drained = tuple(replace(one, availability="drain") if one == THERE else one for one in NODES)
    with_it = replace(stack([seen()], [task(), killed]), nodes=drained)
    assert [one.restarts for one in with_it.replicas()] == [0]
    before = replace(killed, id="task12", at=killed.at.plus(-300))
    twice = replace(stack([seen()], [task(), killed, before]), nodes=drained)
    assert [one.failed_at for one in twice.replicas()] == [(before.at,)], "only the last one can be the drain's"
    assert [one.restarts for one in stack([seen()], [task(), killed]).replicas()] == [1]


def test_a_drained_nodes_killed_task_is_not_what_there_is_of_a_global_service() -> None:
    """Its slot is its node, and no task is wanted there."""
    killed = task(2, slot=0, node=THERE.id, state="failed", desired="shutdown")
    containers = [seen(1), seen(2, status="exited", node=THERE.name)]
    tasks = [task(1, slot=0), killed]
    drained = tuple(replace(one, availability="drain") if one == THERE else one for one in NODES)
    assert [one.id[0] for one in replace(stack(containers, tasks), nodes=drained).replicas()] == ["1"]
    assert [one.id[0] for one in stack(containers, tasks).replicas()] == ["1", "2"]


@pytest.mark.parametrize(
    ("changes", "template", "says"),
    [
        ({"state": "shutdown"}, "same", "has ended"),
        ({"state": "running"}, "same", "is being stopped"),
        ({"state": "failed"}, "same", ""),
        ({"state": "failed"}, "another", "failed"),
        ({"state": "failed", "desired": "running"}, "another", ""),
    ],
)
def test_what_the_manager_was_told_to_stop_did_not_end_by_itself(
    changes: dict[str, str], template: str, says: str
) -> None:
    """One that has to be killed in an update can count as failed."""
    one = task(1, **{"desired": "shutdown", "template": "same", **changes})
    assert stack([], [one]).why_ended("1" * 64, template) == says
    assert stack([], [one]).why_ended("2" * 64, template) == ""


def test_where_a_task_may_run_is_none_of_what_it_is_made_from() -> None:
    """While its node still fits, Swarm leaves it as it is: it would be of another definition for good."""
    spec = {"ContainerSpec": {"Image": "a:1"}, "Runtime": "container"}
    constrained = {**spec, "Placement": {"Constraints": ["node.role == worker"]}}
    assert template_of(spec) == template_of(constrained) != template_of({**spec, "ContainerSpec": {"Image": "a:2"}})


def test_what_may_run_where_nobody_could_ask_is_unmeasured() -> None:
    """Also where the manager has replaced it: its node is down, and goes on."""
    replaced = task(2, node=THERE.id, desired="shutdown")
    found = stack([seen()], [task(), replaced], {THERE.name: "no answer"}).unseen()
    assert [(one.what, one.reason) for one in found] == [(f"a container of worker on node {THERE.name}", "no answer")]
    assert stack([seen()], [task(), task(2, node=THERE.id, state="shutdown")], {THERE.name: "no answer"}).unseen() == []


@pytest.mark.parametrize("state", ["assigned", "preparing", "ready", "starting"])
def test_a_task_that_was_on_its_way_to_a_node_that_was_lost_is_unmeasured(state: str) -> None:
    """Swarm calls it running once it is healthy: the slot is not empty, nobody knows what is in it."""
    coming = task(2, node=THERE.id, state=state, container="")
    assert len(stack([seen()], [task(), coming], {THERE.name: "no answer"}).unseen()) == 1
    waits = task(2, node="", state="pending", container="")
    assert stack([seen()], [task(), waits], {THERE.name: "no answer"}).unseen() == []


def test_a_node_that_was_asked_hides_nothing() -> None:
    assert stack([seen()], [task(), task(2, node=THERE.id, desired="shutdown")]).unseen() == []


def test_the_container_of_a_node_that_was_removed_is_unmeasured() -> None:
    (found,) = stack([], [task(node="removed", state="orphaned", desired="shutdown")]).unseen()
    assert "removed" in found.what
    assert "does not know this node any more" in found.reason


def test_wanted_tasks_without_a_container_are_told_in_the_managers_words() -> None:
    waits = task(1, node="", state="pending", container="", error="no suitable node")
    refused = task(2, state="rejected", desired="ready", error="No such image: a:1")
    assert stack([], [waits, refused, task(3, state="shutdown", desired="shutdown")]).without_container() == [
        "task task1 of slot 1 waits for a node that fits: no suitable node",
        "task task2 of slot 2 was refused by its node: No such image: a:1",
    ]


def test_a_service_has_the_name_of_the_stacks_file() -> None:
    assert by_service("ocr", "ocr_worker") == "worker"
    assert by_service("ocr", "other_worker") == "other_worker"
