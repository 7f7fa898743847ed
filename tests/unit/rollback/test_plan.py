from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback_gate.deployment.compose import Compose, ComposeService
from rollback_gate.deployment.replica import Mount
from rollback_gate.deployment.strategy import Strategy
from rollback_gate.instant import Instant
from rollback_gate.rollback import interruption, plan
from rollback_gate.rollback.interruption import LastConsumed, Stop
from rollback_gate.rollback.plan import Situation
from rollback_gate.rollback.sources import Source
from rollback_gate.rollback.store import DeploymentId, state_folder
from tests.unit.builders import ORCHESTRATOR, phase1, replica

ONE, TWO = replica(id="1" * 64, name="w-1"), replica(id="2" * 64, name="w-2")
COORDINATOR = replica(id="e" * 64, name="coordinator")
COMPOSE = Compose(("docker-compose",), "5.6.1", "p", ("docker-compose.yml",))
SOURCE = Source(ORCHESTRATOR, "backup", f"{ORCHESTRATOR}.backup.1", b"old", "d" * 64)


def situation(**changes: Any) -> Situation:
    services = {n: ComposeService(n, False, "", "image") for n in ("enrichment-worker", "enrichment-coordinator")}
    values: dict[str, Any] = {
        "profile": phase1(), "directory": Path("/srv/p"), "strategy": Strategy.BIND, "compose": COMPOSE,
        "services": services, "replicas": (ONE, TWO), "dependents": {"enrichment-coordinator": (COORDINATOR,)},
        "sources": (SOURCE,), "restore": (SOURCE,), "remove": ("enrichment_service/errors",),
        "stale_replicas": (ONE, TWO), "stale_dependents": (), "consuming": (ONE.id, TWO.id),
    }  # fmt: skip
    return Situation(**{**values, **changes})


def ids(made: plan.Plan) -> list[str]:
    return [step.id for step in made.steps]


def test_bind_restarts_in_turn_while_someone_consumes() -> None:
    """Files first; each replica is waited for before the next one stops; dependents last."""
    assert ids(plan.make(situation())) == [
        f"restore:{ORCHESTRATOR}", "quarantine:enrichment_service/errors", "save-evidence",
        "restart:w-1", "wait:w-1", "restart:w-2", "wait:w-2", "restart:enrichment-coordinator", "wait:enrichment-coordinator",
    ]  # fmt: skip


def test_all_at_once_when_nobody_consumes_anyway() -> None:
    assert ids(plan.make(situation(consuming=())))[3:5] == ["restart:worker", "wait:worker"]


def test_only_stale_replicas_are_restarted() -> None:
    steps = ids(plan.make(situation(restore=(), remove=(), stale_replicas=(TWO,))))
    assert "restart:w-2" in steps
    assert "restart:w-1" not in steps


def test_build_builds_before_anything_stops() -> None:
    services = {
        "enrichment-worker": ComposeService("enrichment-worker", True, ".", "image"),
        "enrichment-coordinator": ComposeService("enrichment-coordinator", True, ".", "other"),
    }
    made = plan.make(situation(strategy=Strategy.BUILD, services=services))
    assert ids(made)[2:] == [
        "build",
        "save-evidence",
        "recreate:worker",
        "wait:worker",
        "recreate:enrichment-coordinator",
        "wait:enrichment-coordinator",
    ]
    build, recreate = made.steps[2], made.steps[4]
    assert build.command == "docker-compose -p p -f docker-compose.yml build enrichment-worker enrichment-coordinator"
    assert recreate.command.endswith("up -d --no-deps --no-build --force-recreate enrichment-worker")


@pytest.mark.parametrize("strategy", [Strategy.BIND, Strategy.BUILD])
def test_other_services_are_never_named(strategy: Strategy) -> None:
    """No dependency is started, nothing is taken down, nothing is pruned."""
    for step in plan.make(situation(strategy=strategy)).steps:
        assert " down" not in step.command
        assert "prune" not in step.command
        assert "mongodb" not in step.command
        assert " up " not in step.command or "--no-deps" in step.command


def test_nothing_to_do_says_why() -> None:
    made = plan.make(situation(restore=(), remove=(), stale_replicas=()))
    assert made.steps == ()
    assert "files hold the old code" in made.because


def test_a_missing_replica_is_started() -> None:
    """Files and the running replica are fine; one of two is gone."""
    made = plan.make(situation(restore=(), remove=(), stale_replicas=(), replicas=(ONE,), consuming=(ONE.id,)))
    step = next(s for s in made.steps if s.id == "start-missing:worker")
    assert step.command.endswith("up -d --no-deps --no-build --no-recreate enrichment-worker")


def test_a_dependent_that_was_left_behind_is_still_to_do() -> None:
    """A run that was killed before the dependents: the coordinator still has the change in memory."""
    made = plan.make(situation(restore=(), remove=(), stale_replicas=(), stale_dependents=("enrichment-coordinator",)))
    assert "restart:enrichment-coordinator" in ids(made)
    assert "restart:w-1" not in ids(made)


@pytest.mark.parametrize("strategy", [Strategy.BIND, Strategy.BUILD])
def test_files_that_no_container_needs_restart_nothing(strategy: Strategy) -> None:
    """A full rollback after a quick one only moves the tests away."""
    made = plan.make(situation(strategy=strategy, restore=(), remove=("tests/test_x.py",), stale_replicas=()))
    assert ids(made) == ["quarantine:tests/test_x.py"]


T = Instant.parse("2026-11-23T12:00:00Z")


@pytest.mark.parametrize(
    ("stops", "goes_on", "began", "seconds"),
    [
        ([Stop(T, T.plus(0.4))], False, [T.plus(0.4)], 0.4),
        ([Stop(T, T.plus(1.5)), Stop(T.plus(1), T.plus(3))], False, [T.plus(1.5), T.plus(3)], 0.5),
        ([Stop(T, T.plus(1)), Stop(T.plus(2), T.plus(3))], False, [T.plus(1), T.plus(3)], 0.0),
        ([Stop(T, T.plus(1))], True, [T.plus(1)], 0.0),
        ([Stop(T, None)], False, [T.plus(2)], 2.0),
        ([Stop(None, T.plus(1))], False, [T.plus(1)], None),
        ([Stop(T, None)], False, [], None),
        ([], False, [T.plus(9)], None),
    ],
)
def test_interruption(stops: list[Stop], goes_on: bool, began: list[Instant], seconds: float | None) -> None:
    """From the end of the last consuming replica to the next "consuming" line; none while another one consumed.

    What was not seen (an event that the engine has forgotten) is not measured, never 0.
    """
    measured = interruption.measure(stops, goes_on, T, began)
    assert measured.seconds == (pytest.approx(seconds) if seconds is not None else None)


def test_nobody_consumed_before_says_since_when() -> None:
    assert "since 2026-11-23 12:00:00 UTC: 9.0 s" in interruption.measure([], False, T, [T.plus(9)]).says
    assert "no log tells since when" in interruption.measure([], False, None, [T]).says


def test_since_when_is_the_first_failing_start_after_the_last_consuming_one() -> None:
    """A traceback in the middle of work ends nothing; a stopped container ended when it ended."""
    consuming = "INFO:w:NSQ Consumer created, starting to consume messages..."
    last = LastConsumed(phase1().logs, replica(created_at=T))
    assert last.since == T
    for second, text in enumerate((consuming, "Traceback (most recent call last):",
                                   "INFO:o:Starting enrichment for document a", "Traceback (most recent call last):",
                                   "Traceback (most recent call last):")):  # fmt: skip
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
