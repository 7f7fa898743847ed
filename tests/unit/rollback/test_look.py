"""What each replica of each service has of the change, and whether a step reaches it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback_gate.change.goal import How, Mode
from rollback_gate.platform.commands import Completed
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import rollback, undo
from tests.unit.builders import ORCHESTRATOR
from tests.unit.rollback.docker_api import NAME
from tests.unit.rollback.test_crash_matrix import act, folder
from tests.unit.rollback.world import CHANGE, COORDINATOR, OLD, WORKER, World

__all__ = ["folder"]  # a fixture
PATCHED = {**dict.fromkeys(CHANGE), ORCHESTRATOR: OLD}


def old_image(world: World) -> str:
    return world.image_named(f"{NAME}:v1")


def test_old_code_in_an_image_of_its_own_is_left_there(folder: Path) -> None:
    """The time of a file that this container does not see says nothing of it; and an undo asks nothing of it either."""
    world = World.deployed(folder / "w", "bind")
    world.odd(COORDINATOR, code_in="image", image=old_image(world))
    act(world, rollback, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == OLD
    act(world, undo, Mode())()
    assert world.tree()[ORCHESTRATOR][0] == CHANGE[ORCHESTRATOR]
    assert world.containers(COORDINATOR)[0]["image"] == old_image(world)


def test_an_image_that_is_not_ours_is_never_started(folder: Path) -> None:
    """Its name was moved, and its container runs on from the right one: it is restarted, and stays that."""
    world = World.deployed(folder / "w", "image")
    world.odd(COORDINATOR, image_name="coordinator:prod", image=old_image(world))
    state = world.state
    newest = world.image_named(f"{NAME}:latest")
    state["images"][newest]["tags"].append("coordinator:prod")
    world.save(state)
    for what in (rollback, undo):
        act(world, what, Mode())()
        assert world.containers(COORDINATOR)[0]["image"] == old_image(world)
        assert world.image_named("coordinator:prod") == newest


def test_patched_containers_do_not_prove_their_image(folder: Path) -> None:
    """Old code was copied into each of them by hand, and into the tree: the next recreate would start the change."""
    world = World.deployed(folder / "w", "build")
    (world.project / ORCHESTRATOR).write_text(OLD)
    for service in (WORKER, COORDINATOR):
        world.odd(service, patched=PATCHED)
    built = world.image_named(f"{NAME}:latest")
    act(world, rollback, Mode())()
    assert world.image_named(f"{NAME}:latest") != built
    assert all(c["image"] != built for s in (WORKER, COORDINATOR) for c in world.containers(s))


def test_a_recreate_may_take_the_time_that_containers_need_to_stop(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed halfway it would leave two containers that want one name."""
    world = World.deployed(folder / "w", "build")
    world.odd(WORKER, stop_timeout=300)
    limits: list[float] = []
    real = World.compose

    def noted(self: World, argv: tuple[str, ...], *, timeout_s: float = 60, **options: Any) -> Completed:
        limits.append(timeout_s if "--force-recreate" in argv and WORKER in argv else 0)
        return real(self, argv, timeout_s=timeout_s, **options)

    monkeypatch.setattr(World, "compose", noted)
    rollback(world.call(), Order(how=How(all_at_once=True)), world.opening)
    assert max(limits) == 5 + 2 * 300


def test_an_image_that_no_container_ran_is_kept_and_comes_back(folder: Path) -> None:
    """The service was down when the run began: building moves the name of its image all the same."""
    world = World.deployed(folder / "w", "build")
    own = f"p-{COORDINATOR}"
    world.change(built_as={COORDINATOR: own})
    before = world.new_image(own)
    for container in world.containers(COORDINATOR):
        world.remove(container["id"])
    act(world, rollback, Mode())()
    assert world.image_named(own) != before
    assert world.containers(COORDINATOR)[0]["image"] == world.image_named(own)
    act(world, undo, Mode())()
    assert world.image_named(own) == before
    assert world.containers(COORDINATOR)[0]["image"] == before


@pytest.mark.parametrize("has_started", [True, False])
def test_what_an_interrupted_recreate_of_compose_1_left_is_cleared(folder: Path, has_started: bool) -> None:
    """It renames the old container, and makes the new one under its name: killed before it removed the old one."""
    world = World.deployed(folder / "w", "build")
    old = world.containers(WORKER)[0]["id"]
    world.stop(old)
    new = world.new_container(WORKER, start=has_started)
    state = world.state
    state["containers"][old] |= {"name": f"{old[:12]}_p-enrichment-worker-1", "number": "1"}
    state["containers"][new]["number"] = "1"
    world.save(state)
    rollback(world.call(), Order(how=How(all_at_once=True)), world.opening)
    assert old not in world.state["containers"]
    assert len(world.containers(WORKER)) == 2


def test_what_an_interrupted_recreate_left_is_cleared(folder: Path) -> None:
    """A replacement that was made and never started: Compose would want its name again."""
    world = World.deployed(folder / "w", "build")
    half = world.new_container(WORKER, start=False)
    state = world.state
    state["containers"][half]["name"] = "0123456789ab_p-enrichment-worker-3"
    world.save(state)
    rollback(world.call(), Order(how=How(all_at_once=True)), world.opening)
    assert half not in world.state["containers"]
    assert len(world.containers(WORKER)) == 2
