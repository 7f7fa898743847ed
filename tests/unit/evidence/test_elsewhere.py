"""Nodes on which a new container may start: what it would run, and that to look changes nothing there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from docker.errors import NotFound

from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading, Held
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import elsewhere
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.schema import Profile
from tests.unit.builders import file_reading, phase1, replica

WORKER = "enrichment-worker"
HERE = replica(node="one", image_name="ocr/worker:1", image_id="sha256:old", mounts=())
CODE = Mount("bind", "/srv/ocr/enrichment_service", "/app/enrichment_service")
SAME = CodeReading((file_reading(),), ())


@dataclass
class Node:
    """The engine of the other node."""

    known: dict[str, str] = field(default_factory=lambda: {"ocr/worker:1": "sha256:old"})
    volumes: set[str] = field(default_factory=set)
    asked: list[tuple[Mount, ...]] = field(default_factory=list)
    through: list[str] = field(default_factory=list)

    @property
    def client(self) -> Any:
        return type("Client", (), {"api": self})

    def image_id(self, name: str) -> str | None:
        return self.known.get(name)

    def images(self) -> list[dict[str, str]]:
        return [{"Id": one} for one in self.known.values()]

    def image_config(self, _: str) -> dict[str, Any]:
        return {}

    def inspect_volume(self, name: str) -> None:
        if name not in self.volumes:
            raise NotFound("no such volume")


@dataclass
class Swarm:
    node: Node
    there: Any = SAME
    names: Any = ("one", "two")

    def places(self, *_: str) -> Any:
        if isinstance(self.names, Exception):
            raise self.names
        return list(self.names)

    def of(self, _: Replica) -> Node:
        return self.node


def read(monkeypatch: pytest.MonkeyPatch, swarm: Swarm, profile: Profile, one: Replica = HERE) -> Any:
    def made_anew(_: Outside, replicas: Any) -> dict[str, Any]:
        (asked,) = replicas
        swarm.node.asked.append(asked.mounts)
        swarm.node.through.append(asked.image_name)
        return {asked.id: swarm.there}

    monkeypatch.setattr(Outside, "after_a_recreate", made_anew)
    return elsewhere.read(profile, cast(Engines, swarm), [one])[WORKER]


def of_an_image() -> Profile:
    item = {
        "kind": "image",
        "services": [WORKER, "enrichment-coordinator"],
        "file": "s.yml",
        "key": "i",
        "new": "ocr/worker:2",
        "old": "ocr/worker:1",
    }
    table = phase1().model_dump()
    return Profile.model_validate({**table, "change": [*table["change"], item]})


def test_a_node_that_runs_one_is_judged_by_that_and_any_other_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, Swarm(Node()), phase1()) == {"two": SAME}
    assert read(monkeypatch, Swarm(Node(), names=("one",)), phase1()) == {}


def test_where_it_may_start_and_nobody_could_say_is_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = read(monkeypatch, Swarm(Node(), names=Unreachable("no answer")), phase1()).values()
    assert isinstance(found, Unmeasured)


def test_another_image_under_the_name_is_never_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its files are the same, and where an item is no more than an image."""
    node = Node({"ocr/worker:1": "sha256:other"})
    found = read(monkeypatch, Swarm(node), phase1())["two"]
    assert isinstance(found, Unmeasured)
    assert "is another image there" in found.reason
    of_change = CodeReading((file_reading(new=("get_error_type",)),), ())
    assert read(monkeypatch, Swarm(node, of_change), phase1())["two"] == of_change


def test_the_changes_image_under_the_old_name_is_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node({"ocr/worker:1": "sha256:new", "ocr/worker:2": "sha256:new"})
    found = read(monkeypatch, Swarm(node, CodeReading((), ())), of_an_image())["two"]
    assert isinstance(found, Unmeasured) or any(value.held is Held.NEW for value in found.values)


PINNED = replace(HERE, image_name="ocr/worker:1@sha256:abc")


def test_an_image_that_is_fetched_by_its_digest_needs_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, Swarm(Node({})), phase1(), PINNED) == {"two": CodeReading((), ())}


def test_mounted_code_is_seen_through_another_image_where_its_own_would_be_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node that has never run the service: what is certain by the digest must not keep it INCONCLUSIVE for ever."""
    mounted = replace(PINNED, mounts=(CODE,))
    swarm = Swarm(Node({"redis:7": "sha256:redis"}))
    assert read(monkeypatch, swarm, phase1(), mounted) == {"two": SAME}
    assert swarm.node.through == ["sha256:redis"]
    nothing = read(monkeypatch, Swarm(Node({})), phase1(), mounted)["two"]
    assert isinstance(nothing, Unmeasured)
    assert "pull it there" in nothing.reason
    in_part = Mount("bind", "/srv/x", f"/app/{phase1().files[0].path}")
    half = read(monkeypatch, swarm, phase1(), replace(PINNED, mounts=(in_part,)))["two"]
    assert isinstance(half, Unmeasured)
    assert "some of its code is mounted" in half.reason


def test_to_look_makes_no_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    models, anonymous = Mount("volume", "", "/models", "models"), Mount("volume", "", "/tmp/x", "f" * 64)
    mounted = replace(HERE, mounts=(CODE, models, anonymous))
    swarm = Swarm(Node())
    assert read(monkeypatch, swarm, phase1(), mounted) == {"two": SAME}
    swarm.node.volumes.add("models")
    read(monkeypatch, swarm, phase1(), mounted)
    assert swarm.node.asked == [(CODE,), (CODE, models)]


def test_code_in_a_volume_that_is_not_there_yet_is_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Mount("volume", "", "/app/enrichment_service", "code")
    found = read(monkeypatch, Swarm(Node()), phase1(), replace(HERE, mounts=(volume,)))["two"]
    assert isinstance(found, Unmeasured)
    assert "is not there yet" in found.reason
