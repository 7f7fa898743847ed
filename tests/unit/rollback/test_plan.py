from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.change.content import Source
from rollback_gate.change.goal import Direction, Goal, How, Mode, ModeName
from rollback_gate.change.strategy import Strategy
from rollback_gate.instant import Instant
from rollback_gate.platform.compose import Compose, ComposeService, in_order
from rollback_gate.platform.replica import Mount
from rollback_gate.rollback import interruption, plan
from rollback_gate.rollback.interruption import LastConsumed
from rollback_gate.rollback.situation import Keeping, Situation
from rollback_gate.rollback.store import DeploymentId, state_folder
from tests.unit.builders import ORCHESTRATOR, phase1, replica

ONE, TWO = replica(id="1" * 64, name="w-1"), replica(id="2" * 64, name="w-2")
COORDINATOR = replica(id="e" * 64, name="coordinator")
COMPOSE = Compose(("docker-compose",), "5.6.1", "p", ("docker-compose.yml",))
SOURCE = Source(ORCHESTRATOR, "backup", f"{ORCHESTRATOR}.backup.1", b"old", "d" * 64)


GOAL = Goal(Direction.ROLLBACK, Mode(), (SOURCE,), ("enrichment_service/errors",))
BUILT = {
    n: ComposeService(n, n == "enrichment-worker", ".", "image")
    for n in ("enrichment-worker", "enrichment-coordinator")
}
KEEP = Keeping(lambda name: f"rollback-gate/p/{name}", "run")


def situation(**changes: Any) -> Situation:
    services = {n: ComposeService(n, False, "", "image") for n in ("enrichment-worker", "enrichment-coordinator")}
    values: dict[str, Any] = {
        "profile": phase1(),
        "directory": Path("/srv/p"),
        "strategy": Strategy.BIND,
        "compose": COMPOSE,
        "services": services,
        "found": {"enrichment-worker": (ONE, TWO), "enrichment-coordinator": (COORDINATOR,)},
        "goal": GOAL,
        "put_back": (),
        "tags": {},
        "images": {"image": ONE.image_id},
        "restore": (SOURCE,),
        "remove": ("enrichment_service/errors",),
        "stale": (ONE, TWO),
        "consuming": (ONE.id, TWO.id),
    }
    values |= changes
    built = frozenset({ONE.image_name}) if values["strategy"] is not Strategy.BIND else frozenset()
    values.setdefault("own_images", built)
    values.setdefault(
        "needs_build", values["strategy"] is Strategy.BUILD and values["goal"].direction is Direction.ROLLBACK
    )
    return Situation(**values)


def make(**changes: Any) -> plan.Plan:
    return plan.make(situation(**changes), KEEP)


def ids(made: plan.Plan) -> list[str]:
    return [step.id for step in made.steps]


def test_bind_restarts_in_turn_while_someone_consumes() -> None:
    """Files first; each replica is waited for before the next one stops; dependents last."""
    assert ids(make()) == [
        f"restore:{ORCHESTRATOR}",
        "quarantine:enrichment_service/errors",
        "save-evidence",
        "restart:w-1",
        "wait:w-1",
        "restart:w-2",
        "wait:w-2",
        "restart:enrichment-coordinator",
        "wait:enrichment-coordinator",
    ]


def test_all_at_once_when_nobody_consumes_anyway() -> None:
    assert ids(make(consuming=()))[3:5] == ["restart:worker", "wait:worker"]


def test_only_stale_replicas_are_restarted() -> None:
    steps = ids(make(restore=(), remove=(), stale=(TWO,)))
    assert "restart:w-2" in steps
    assert "restart:w-1" not in steps


def test_build_builds_before_anything_stops() -> None:
    services = {
        "enrichment-worker": ComposeService("enrichment-worker", True, ".", "image"),
        "enrichment-coordinator": ComposeService("enrichment-coordinator", True, ".", "other"),
    }
    made = make(strategy=Strategy.BUILD, services=services, consuming=())
    assert ids(made)[2:] == [
        "keep-image:rollback-gate/p/image:run",
        "build",
        "save-evidence",
        "recreate:worker",
        "wait:worker",
        "recreate:enrichment-coordinator",
        "wait:enrichment-coordinator",
    ]
    build, recreate = made.steps[3], made.steps[5]
    assert (
        build.command
        == "docker-compose -p p -f docker-compose.yml --profile '*' build enrichment-worker enrichment-coordinator"
    )
    assert "up -d --no-deps --no-build --force-recreate --pull never --remove-orphans=false" in recreate.command
    assert recreate.command.endswith("--scale enrichment-worker=2 enrichment-worker")
    assert made.steps[2].targets == (ONE.image_id, "rollback-gate/p/image:run")


def test_built_replicas_are_replaced_in_turn_while_one_consumes() -> None:
    """One that does not consume first; the one that does only when a new one has come up."""
    made = make(strategy=Strategy.BUILD, services=BUILT, consuming=(ONE.id,))
    assert [i for i in ids(made) if "w-" in i] == ["replace:w-2", "wait:w-2", "replace:w-1", "wait:w-1"]
    replace = next(step for step in made.steps if step.id == "replace:w-1")
    assert replace.command.startswith("docker stop w-1 && docker rm w-1 && docker-compose")
    assert replace.command.endswith(
        "--no-recreate --pull never --remove-orphans=false --scale enrichment-worker=2 enrichment-worker"
    )


def test_anonymous_volumes_are_carried_over() -> None:
    """Only a recreate of all does that: a container that is removed first takes the name of its volume with it."""
    mounted = replace(TWO, mounts=(Mount("volume", "/var/lib/docker/volumes/x/_data", "/data", "f" * 64),))
    found = {"enrichment-worker": (ONE, mounted), "enrichment-coordinator": (COORDINATOR,)}
    made = ids(make(strategy=Strategy.BUILD, services=BUILT, found=found, stale=(ONE,)))
    assert "recreate:worker" in made
    assert not [step for step in made if step.startswith("replace:")]


def test_a_service_whose_image_is_not_ours_is_restarted() -> None:
    """Nobody knows what a new container of it would be made of."""
    other = replace(COORDINATOR, image_name="coordinator:prod")
    found = {"enrichment-worker": (ONE, TWO), "enrichment-coordinator": (other,)}
    made = ids(make(strategy=Strategy.BUILD, services=BUILT, found=found))
    assert "restart:enrichment-coordinator" in made
    assert "recreate:enrichment-coordinator" not in made


@pytest.mark.parametrize("strategy", [Strategy.BIND, Strategy.BUILD])
def test_all_at_once_on_demand(strategy: Strategy) -> None:
    """For a change that is doing harm: no replica of it consumes on while another one is replaced."""
    made = make(strategy=strategy, services=BUILT, how=How(all_at_once=True))
    assert sum(step.kind in (plan.Kind.RESTART, plan.Kind.RECREATE) and "worker" in step.id for step in made.steps) == 1


def test_an_image_is_kept_before_its_name_goes_to_another_one() -> None:
    goal = Goal(Direction.ROLLBACK, Mode(), (SOURCE,), images={"image": "sha256:old"})
    made = make(strategy=Strategy.IMAGE, goal=goal, restore=(), remove=(), tags={"image": "sha256:old"}, consuming=())
    assert ids(made)[:4] == ["keep-image:rollback-gate/p/image:run", "save-evidence", "tag:image", "recreate:worker"]
    assert made.steps[2].command == "docker tag sha256:old image"


def test_what_was_deployed_since_is_kept_too() -> None:
    """On a resume and on an undo: that image may be nowhere else. The run's own need no keeping."""
    goal = Goal(Direction.UNDO, Mode(), (SOURCE,), images={"image": "sha256:new"})
    for own, expected in (((), ["keep-image:rollback-gate/p/image:run-later"]), ((ONE.image_id,), [])):
        keeping = Keeping(lambda name: f"rollback-gate/p/{name}", "run", {"image": "sha256:new"}, own)
        made = plan.make(situation(strategy=Strategy.IMAGE, goal=goal, tags={"image": "sha256:new"}), keeping)
        assert [i for i in ids(made) if i.startswith("keep-image")] == expected


def test_an_undo_of_a_built_service_builds_nothing() -> None:
    """Files come out of the quarantine, the image is the one that was kept; a change that never came up is not waited for."""
    goal = Goal(Direction.UNDO, Mode(), (SOURCE,), put_back=("errors",), images={"image": "sha256:new"}, consumes=False)
    made = make(
        strategy=Strategy.BUILD,
        services=BUILT,
        goal=goal,
        remove=(),
        put_back=("errors",),
        tags={"image": "sha256:new"},
    )
    assert ids(made) == [
        f"restore:{ORCHESTRATOR}",
        "put-back:errors",
        "save-evidence",
        "tag:image",
        "recreate:worker",
        "recreate:enrichment-coordinator",
    ]


def test_rebuild_builds_afresh() -> None:
    goal = Goal(Direction.ROLLBACK, Mode(ModeName.REBUILD), (SOURCE,))
    made = make(strategy=Strategy.BUILD, services=BUILT, goal=goal, restore=(), remove=())
    assert "build --no-cache enrichment-worker" in next(s.command for s in made.steps if s.kind is plan.Kind.BUILD)


def test_cache_and_base_images() -> None:
    made = make(strategy=Strategy.BUILD, services=BUILT, how=How(no_cache=True, pull=True))
    assert "build --no-cache --pull enrichment-worker" in next(s.command for s in made.steps if s.id == "build")


def test_dependents_come_in_the_order_in_which_they_depend_on_each_other() -> None:
    """Whatever the profile's order; then as the profile says."""
    services = {
        "a": ComposeService("a", False, "", "i", ("b",)),
        "b": ComposeService("b", False, "", "i", ("worker", "c")),
        "c": ComposeService("c", False, "", "i"),
    }
    assert in_order(["a", "b", "c"], services) == ["c", "b", "a"]
    assert in_order(["c", "d"], services) == ["c", "d"]


@pytest.mark.parametrize("strategy", [Strategy.BIND, Strategy.BUILD])
def test_other_services_are_never_named(strategy: Strategy) -> None:
    """No dependency is started, nothing is taken down, nothing is pruned."""
    for step in make(strategy=strategy).steps:
        assert " down" not in step.command
        assert "prune" not in step.command
        assert "mongodb" not in step.command
        assert " up " not in step.command or "--no-deps" in step.command


def test_nothing_to_do_says_why() -> None:
    made = make(restore=(), remove=(), stale=())
    assert made.steps == ()
    assert "files hold the old code" in made.because


def test_a_missing_replica_is_started() -> None:
    """Files and the running replica are fine; one of two is gone."""
    found = {"enrichment-worker": (ONE,), "enrichment-coordinator": (COORDINATOR,)}
    made = make(restore=(), remove=(), stale=(), found=found, consuming=(ONE.id,))
    step = next(s for s in made.steps if s.id == "start:worker")
    assert step.command.endswith(
        "--no-recreate --pull never --remove-orphans=false --scale enrichment-worker=2 enrichment-worker"
    )


def test_a_missing_replica_of_any_service_is_started() -> None:
    """One of two coordinators is gone: the other one is left alone."""
    two = phase1("services.enrichment-coordinator.replicas=2")
    made = ids(make(profile=two, restore=(), remove=(), stale=()))
    assert made == ["save-evidence", "start:enrichment-coordinator", "wait:enrichment-coordinator"]


def test_a_dependent_that_was_left_behind_is_still_to_do() -> None:
    """A run that was killed before the dependents: the coordinator still has the change in memory."""
    made = make(restore=(), remove=(), stale=(COORDINATOR,))
    assert "restart:enrichment-coordinator" in ids(made)
    assert "restart:w-1" not in ids(made)


@pytest.mark.parametrize("strategy", [Strategy.BIND, Strategy.BUILD])
def test_files_that_no_container_needs_restart_nothing(strategy: Strategy) -> None:
    """A full rollback after a quick one only moves the tests away."""
    made = make(strategy=strategy, restore=(), remove=("tests/test_x.py",), stale=())
    assert ids(made) == ["quarantine:tests/test_x.py"]


T = Instant.parse("2026-11-23T12:00:00Z")


@pytest.mark.parametrize(
    ("stops", "goes_on", "began", "seconds"),
    [
        ([T], False, [T.plus(0.4)], 0.4),
        ([T, T.plus(1)], False, [T.plus(1.5), T.plus(3)], 0.5),
        ([T, T.plus(2)], False, [T.plus(1), T.plus(3)], 0.0),
        ([T], True, [T.plus(1)], 0.0),
        ([None], False, [T.plus(1)], None),
        ([T, None], False, [T.plus(1)], None),
        ([T], False, [], None),
        ([], False, [T.plus(9)], None),
    ],
)
def test_interruption(stops: list[Instant | None], goes_on: bool, began: list[Instant], seconds: float | None) -> None:
    """From the end of the last consuming replica to the next "consuming" line; none while another one consumed.

    What was not seen (an event that the engine has forgotten) is not measured, never 0.
    """
    measured = interruption.measure(stops, goes_on, T, began)
    assert measured.seconds == (pytest.approx(seconds) if seconds is not None else None)


def test_nobody_consumed_before_says_since_when() -> None:
    says = "service down for 9.0 s, from 2026-11-23 12:00:00 UTC to 2026-11-23 12:00:09 UTC; it was already down"
    assert interruption.measure([], False, T, [T.plus(9)]).says.startswith(says)
    assert "no log shows since when" in interruption.measure([], False, None, [T]).says


def test_since_when_is_the_first_failing_start_after_the_last_consuming_one() -> None:
    """A traceback in the middle of work ends nothing; a stopped container ended when it ended."""
    consuming = "INFO:w:NSQ Consumer created, starting to consume messages..."
    last = LastConsumed(phase1().logs, replica(created_at=T))
    assert last.since == T
    for second, text in enumerate(
        (
            consuming,
            "Traceback (most recent call last):",
            "INFO:o:Starting enrichment for document a",
            "Traceback (most recent call last):",
            "Traceback (most recent call last):",
        )
    ):
        last.feed(f"2026-11-23T12:01:0{second}Z {text}")
    assert last.since == T.plus(63)
    stopped = LastConsumed(phase1().logs, replica(created_at=T, finished_at=T.plus(500)))
    stopped.feed(f"2026-11-23T12:01:00Z {consuming}")
    assert stopped.since == T.plus(500)


def test_state_is_outside_where_a_container_or_a_build_would_see_it() -> None:
    deployment = DeploymentId("engine", "p", "phase1")
    project, elsewhere = Path("/srv/p"), Path("/var/lib/rollback-gate")
    inside = state_folder(deployment, project, [Mount("bind", "/srv/p/enrichment_service", "/app/x")], [], elsewhere)
    assert inside.is_relative_to(project / ".rollback")
    mounted = state_folder(deployment, project, [Mount("bind", "/srv/p", "/app")], [], elsewhere)
    built = state_folder(deployment, project, [], [project], elsewhere)
    assert mounted.is_relative_to(elsewhere)
    assert built.is_relative_to(elsewhere)
