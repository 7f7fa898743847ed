"""What a rollback could break beside the services that it is about."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rollback_gate.change.goal import How, Mode
from rollback_gate.change.strategy import Covered, covering_mount, innermost
from rollback_gate.errors import Refused
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Mount
from rollback_gate.rollback import surroundings
from rollback_gate.rollback.look import moved_at
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import rollback
from tests.unit.builders import ORCHESTRATOR, phase1, replica
from tests.unit.rollback.test_crash_matrix import act, folder
from tests.unit.rollback.world import COORDINATOR, OLD, WORKER, World

__all__ = ["folder"]  # a fixture

PROFILE = phase1()


def mounting(source: Path, target: str = "/app/enrichment_service") -> tuple[Mount, ...]:
    return (Mount("bind", str(source), target),)


def test_a_removed_path_that_is_mounted_itself_is_refused(tmp_path: Path) -> None:
    """Without it that container could not start; a mount of the whole tree stays what it is."""
    removed = ("enrichment_service/errors",)
    whole = replica(mounts=mounting(tmp_path / "enrichment_service"))
    surroundings.refuse_mounted(tmp_path, removed, [whole])
    own = replica(name="viewer", mounts=mounting(tmp_path / "enrichment_service/errors", "/errors"))
    with pytest.raises(Refused, match="errors is itself mounted into viewer"):
        surroundings.refuse_mounted(tmp_path, removed, [whole, own])


def test_a_file_system_below_a_removed_path_is_refused(tmp_path: Path) -> None:
    """Moving it across devices would empty it, and end with an error."""
    place = tmp_path / "enrichment_service/errors"
    (place / "data").mkdir(parents=True)
    surroundings.refuse_mounted(tmp_path, ("enrichment_service/errors",), [])
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place / "data")], check=True)
    try:
        (place / "data/models.db").write_text("everything")
        with pytest.raises(Refused, match="a file system is mounted at") as caught:
            surroundings.refuse_mounted(tmp_path, ("enrichment_service/errors",), [])
        assert f"umount {place / 'data'}" in caught.value.remedy
        assert (place / "data/models.db").exists()
    finally:
        subprocess.run(["umount", str(place / "data")], check=True)


def test_an_equal_copy_of_the_tree_is_refused(tmp_path: Path) -> None:
    """The same bytes elsewhere: restoring them would change nothing that runs."""
    for name in ("real", "copy"):
        (tmp_path / name / ORCHESTRATOR).parent.mkdir(parents=True)
        (tmp_path / name / ORCHESTRATOR).write_text("same")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    runs = replica(mounts=mounting(tmp_path / "real/enrichment_service"))
    surroundings.refuse_copies(PROFILE, tmp_path / "real", [runs])
    surroundings.refuse_copies(PROFILE, tmp_path / "link", [runs])
    with pytest.raises(Refused, match="a copy would be rolled back"):
        surroundings.refuse_copies(PROFILE, tmp_path / "copy", [runs])


def test_compose_files_may_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """Below the tree or above it: what is mounted decides, where something is."""
    (tmp_path / "p" / ORCHESTRATOR).parent.mkdir(parents=True)
    (tmp_path / "p/docker").mkdir()
    mounts = mounting(tmp_path / "p/enrichment_service")
    for made_in in ("p/docker", "p", "."):
        surroundings.refuse_copies(PROFILE, tmp_path / "p", [replica(mounts=mounts, made_in=str(tmp_path / made_in))])
    (tmp_path / "q").mkdir()
    with pytest.raises(Refused, match="a copy would be rolled back"):
        surroundings.refuse_copies(PROFILE, tmp_path / "p", [replica(made_in=str(tmp_path / "q"))])


def test_who_lives_in_the_network_of_a_replaced_container_is_named() -> None:
    """It loses its network; nobody else does."""
    one = replica()
    sidecar = replica(id="a" * 64, name="sidecar", service="sidecar", network_of=one.id)
    other = replica(id="b" * 64, name="other", service="other", network_of="f" * 64)
    assert surroundings.hanging_on([one], [one, sidecar, other]) == [f"sidecar uses the network of {one.name}"]


def test_other_services_must_be_what_they_were() -> None:
    """By id: one that was removed, and one that was made anew."""
    mongo = replica(id="a" * 64, name="mongodb", service="mongodb")
    queue = replica(id="b" * 64, name="nsqd", service="nsqd")
    before = {one.name: one.id for one in (mongo, queue)}
    assert set(before) == {"mongodb", "nsqd"}
    assert surroundings.lost(before, before) == []
    now = {queue.name: "c" * 64}
    assert surroundings.lost(before, now) == ["mongodb is gone", "nsqd was replaced"]


def test_a_folder_that_was_moved_is_younger_than_its_content(tmp_path: Path) -> None:
    """`mv` sets the inode's time only; a folder in which something was made has both times alike."""
    assert moved_at(tmp_path) == Instant(0)
    os.utime(tmp_path, (1_700_000_000, 1_700_000_000))
    assert moved_at(tmp_path).ns == tmp_path.stat().st_ctime_ns


@pytest.mark.parametrize(
    ("strategy", "service", "code_in", "where"),
    [
        ("bind", COORDINATOR, "volume", "in volume v at"),
        ("bind", COORDINATOR, "image", "in its image"),
        ("build", COORDINATOR, "volume", "in volume v at"),
        ("build", WORKER, "volume", "in volume v at"),
    ],
)
def test_what_no_step_reaches_is_refused(folder: Path, strategy: str, service: str, code_in: str, where: str) -> None:
    """A volume outlives its container, and a restart changes no image: whichever service has the change there."""
    world = World.deployed(folder / "w", strategy)
    world.odd(service, code_in=code_in)
    before = world.state
    with pytest.raises(Refused, match=where):
        act(world, rollback, Mode())()
    assert world.state == before


def test_a_recreate_that_would_change_more_is_refused(folder: Path) -> None:
    """Of any service that is recreated; by name it is accepted."""
    world = World.deployed(folder / "w", "build")
    world.odd(COORDINATOR, hash="another")
    with pytest.raises(Refused, match=r"(?s)another configuration than p-enrichment-coordinator-\d+"):
        act(world, rollback, Mode())()
    rollback(world.call(), Order(how=How(accept_configuration=True)), world.opening)
    assert world.tree()[ORCHESTRATOR][0] == OLD


def test_a_volume_inside_a_mount_hides_it() -> None:
    """The innermost mount counts, of whatever kind."""
    tree = Mount("bind", "/srv/p", "/app")
    volume = Mount("volume", "/var/lib/docker/volumes/v/_data", "/app/enrichment_service", "v")
    path = f"/app/{ORCHESTRATOR}"
    assert covering_mount((tree,), path) == Covered(tree, f"/srv/p/{ORCHESTRATOR}")
    assert covering_mount((tree, volume), path) is None
    assert innermost((volume, tree), path) == volume
