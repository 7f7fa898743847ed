"""What a service is asked to be, and when it is: on real answers of a manager."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.platform.swarm import tasks, update
from rollback_gate.platform.swarm.service import Service
from rollback_gate.platform.swarm.tasks import Task
from rollback_gate.platform.swarm.update import Given
from tests.unit.platform.swarm.test_words import a_service, read


def at_rest() -> Service:
    """Three replicas, after an update."""
    return a_service("a-1-after")


def settled() -> list[Task]:
    """Its three tasks, running what it says."""
    (task, *_) = read("sf-1-during-5")
    made = replace(task, state="running", desired="running", template=at_rest().template)
    return [replace(made, id=f"t{n}", slot=n) for n in (1, 2, 3)]


def test_only_what_is_given_is_changed() -> None:
    spec = copy.deepcopy(dict(at_rest().spec))
    spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["A=1", "TIMEOUT=5", "B=x=y", "NEW=1"]
    made = update.template_with(spec, Given("app:1", {"TIMEOUT": "60", "NEW": None}))
    assert made["ContainerSpec"]["Image"] == "app:1"
    assert made["ContainerSpec"]["Env"] == ["A=1", "B=x=y", "TIMEOUT=60"]
    rest = {**made, "ContainerSpec": {**made["ContainerSpec"], "Image": None, "Env": None}}
    was = spec["TaskTemplate"]
    assert rest == {**was, "ContainerSpec": {**was["ContainerSpec"], "Image": None, "Env": None}}
    assert update.template_with(spec, Given(None, {})) == was
    assert "TIMEOUT=5" in was["ContainerSpec"]["Env"]  # the service's own is not touched


def test_how_often_tasks_were_made_anew_and_the_order_of_variables_do_not_matter() -> None:
    one = dict(at_rest().spec["TaskTemplate"])
    other = copy.deepcopy({**one, "ForceUpdate": 9, "Runtime": "container"})
    other["ContainerSpec"]["Env"] = list(reversed(other["ContainerSpec"].get("Env") or []))
    assert update.same_template(one, other)
    other["ContainerSpec"]["Image"] = "another"
    assert not update.same_template(one, other)


@pytest.mark.parametrize(
    ("changes", "all_at_once", "order", "parallelism"),
    [
        ({}, False, "start-first", 1),
        ({}, True, "stop-first", 0),
        ({"Mode": {"Replicated": {"Replicas": 1}}}, False, "stop-first", 1),
        ({"Mode": {"Global": {}}}, False, "stop-first", 1),
        ({"EndpointSpec": {"Ports": [{"PublishMode": "host"}]}}, False, "stop-first", 1),
        ({"EndpointSpec": {"Ports": [{"PublishMode": "ingress"}]}}, False, "start-first", 1),
        ({"UpdateConfig": None}, False, "start-first", 1),
        ({"TaskTemplate": {"Resources": {"Reservations": {"NanoCPUs": 1}}}}, False, "stop-first", 1),
        ({"TaskTemplate": {"Placement": {"MaxReplicas": 1}}}, False, "stop-first", 1),
        ({"TaskTemplate": {"ContainerSpec": {"Hostname": "w-{{.Task.Slot}}"}}}, False, "stop-first", 1),
        ({"TaskTemplate": {"ContainerSpec": {"Args": ["--id", "{{.Task.Slot}}"]}}}, False, "start-first", 1),
        ({"Mode": {"Global": {}}, "UpdateConfig": {"Order": "start-first"}}, False, "start-first", 1),
    ],
)
def test_tasks_take_turns_where_two_can_be_up_together(
    changes: dict[str, Any], all_at_once: bool, order: str, parallelism: int
) -> None:
    spec = {**at_rest().spec, **changes}
    spec["TaskTemplate"] = {**at_rest().spec["TaskTemplate"], **changes.get("TaskTemplate", {})}
    made = update.pace(spec, all_at_once)
    assert (made["Order"], made["Parallelism"], made["FailureAction"]) == (order, parallelism, "pause")


@pytest.mark.parametrize(
    ("own", "monitor_s"),
    [
        ({}, 5),
        ({"Monitor": 500_000_000}, 2),
        ({"Monitor": 40 * 10**9, "MaxFailureRatio": 0.3, "Delay": 10**11}, 40),
        ({"Monitor": 900 * 10**9}, 60),
    ],
)
def test_a_task_is_watched_as_long_as_in_the_services_own_updates(own: dict[str, Any], monitor_s: int) -> None:
    """A minute at most, and without their delay; whatever they tolerate, the first failure pauses it."""
    made = update.pace({**at_rest().spec, "UpdateConfig": own}, False)
    assert (made["Monitor"], made["MaxFailureRatio"], made.get("Delay")) == (monitor_s * 10**9, 0, None)


def test_the_limit_of_an_update_has_the_services_own_grace_period_in_it() -> None:
    """Each turn may take that long before its next one begins."""
    spec = copy.deepcopy(dict(at_rest().spec))
    spec["UpdateConfig"] = {"Monitor": 5 * 10**9}
    spec["TaskTemplate"]["ContainerSpec"].pop("StopGracePeriod", None)
    assert update.longest_s(spec, 0, 120) == 3 * (120 + 10) + 5
    spec["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"] = 600 * 10**9
    assert update.longest_s(spec, 0, 120) == 3 * (120 + 600) + 5
    assert update.longest_s({**spec, "Mode": {"Global": {}}}, 2, 120) == 2 * (120 + 600) + 5


NOTHING = Given(None, {})


def test_every_task_is_made_anew_and_the_services_own_pace_is_put_back() -> None:
    """From wherever the run is taken up: what was its own stands in a label meanwhile."""
    service = at_rest()
    posted = update.spec_for(service, NOTHING, False)
    assert posted["TaskTemplate"]["ForceUpdate"] == service.spec["TaskTemplate"]["ForceUpdate"] + 1
    after = replace(service, spec=posted)
    assert update.has_our_pace(after.spec)
    again = replace(service, spec=update.spec_for(after, NOTHING, True))
    back = update.spec_with_own_pace(again)
    assert back is not None
    assert back["UpdateConfig"] == service.spec["UpdateConfig"]
    assert back["Labels"] == (service.spec.get("Labels") or {})
    assert back["TaskTemplate"] == again.spec["TaskTemplate"]
    assert update.spec_with_own_pace(replace(after, spec=back)) is None


def test_a_service_without_a_pace_of_its_own_gets_none() -> None:
    service = at_rest()
    bare = replace(service, spec={key: value for key, value in service.spec.items() if key != "UpdateConfig"})
    back = update.spec_with_own_pace(replace(bare, spec=update.spec_for(bare, NOTHING, False)))
    assert back is not None
    assert "UpdateConfig" not in back


def test_it_has_settled_when_every_wanted_task_and_no_other_runs_what_the_service_says() -> None:
    assert update.why_not_settled(at_rest(), settled()) == ""


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (settled()[:2], "2 of 3 tasks run"),
        ([*settled()[:2], replace(settled()[2], template="another")], "a task runs"),
        ([*settled()[:2], replace(settled()[2], state="preparing")], "a task is on its way"),
        ([*settled(), replace(settled()[0], id="old", desired="shutdown")], "a former task is being stopped"),
        ([*settled()[:2], replace(settled()[2], state="rejected", error="No such image: a")], "No such image: a"),
    ],
)
def test_until_then_what_is_missing_is_said(rows: list[Task], says: str) -> None:
    """Swarm's own status says `completed` all the while."""
    assert says in update.why_not_settled(at_rest(), rows)


def test_an_update_that_swarm_gave_up_has_failed() -> None:
    assert update.has_failed(a_service("pa-1-paused"))
    assert update.has_failed(a_service("ro-4-19"))
    assert not update.has_failed(at_rest())
    assert not update.has_failed(a_service("a-1-during"))
    paused = a_service("pa-1-paused")
    made = [task for task in read("pa-1-paused") if task.is_wanted]
    assert update.why_not_settled(paused, made)


def test_ended_tasks_of_before_are_no_hindrance() -> None:
    ended = [task for task in read("tw-4-killed-now") if task.condition.name == "ENDED"]
    assert ended
    assert update.why_not_settled(at_rest(), [*settled(), *ended]) == ""
    assert tasks.Condition.GOES not in {task.condition for task in ended}
