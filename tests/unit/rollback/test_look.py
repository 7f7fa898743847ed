"""What each replica of each service has of the change, and whether a step reaches it there."""

from __future__ import annotations

from pathlib import Path

from rollback_gate.change.goal import Mode
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
