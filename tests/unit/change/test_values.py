"""Images of a change as a container has them: by id; the change's by its tag too, where it was fetched by its digest."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rollback_gate.change.reading import Held
from rollback_gate.change.values import Values
from rollback_gate.platform.engine import Engine
from rollback_gate.profile.deployment import ConfigItem, ImageItem
from rollback_gate.profile.schema import Profile
from tests.unit.builders import phase1, replica

WORKER = "enrichment-worker"
ITEM = ImageItem(kind="image", services=(WORKER,), file="s.yml", key="i", new="ocr/worker:2", old="ocr/worker:1")


def profile(item: ImageItem = ITEM) -> Profile:
    table = phase1()
    return table.model_copy(update={"change": (*table.change, item)})


def held(name: str, image_id: str | None, known: dict[str, str], item: ImageItem = ITEM) -> Held:
    engine = type("Engine", (), {"image_id": lambda _, name: known.get(name)})()
    values = Values(profile(item), cast(Engine, engine))
    (found,) = values._all(WORKER, {}, name, image_id, {})
    return found.held


@pytest.mark.parametrize(
    ("name", "image_id", "known", "expected"),
    [
        ("ocr/worker:1", "sha256:1", {"ocr/worker:1": "sha256:1", "ocr/worker:2": "sha256:2"}, Held.OLD),
        ("ocr/worker:2", "sha256:2", {"ocr/worker:1": "sha256:1", "ocr/worker:2": "sha256:2"}, Held.NEW),
        ("ocr/worker:2", "sha256:2", {}, Held.OTHER),
        ("ocr/worker:2@sha256:b", "sha256:2", {}, Held.NEW),
        ("ocr/worker:1@sha256:a", "sha256:1", {}, Held.OTHER),
        ("ocr/worker:1@sha256:a", "sha256:1", {"ocr/worker:2": "sha256:1"}, Held.OTHER),
        ("ocr/worker:3@sha256:c", "sha256:3", {}, Held.OTHER),
    ],
)
def test_an_image_is_known_by_its_id_and_the_changes_by_its_tag_too(
    name: str, image_id: str, known: dict[str, str], expected: Held
) -> None:
    """A node that has fetched an image by its digest has no tag of it. The old tag before any digest proves nothing."""
    assert held(name, image_id, known) is expected


CONFIG = ConfigItem(
    kind="config",
    services=(WORKER,),
    target="/etc/app.ini",
    new="app-2",
    old="app-1",
    file="s.yml",
    key="configs.a.name",
)


@pytest.mark.parametrize(
    ("configs", "expected", "words"),
    [
        ((("/etc/app.ini", "app-1"), ("/run/secrets/key", "k")), Held.OLD, ""),
        ((("/etc/app.ini", "app-2"),), Held.NEW, ""),
        ((("/etc/app.ini", "app-3"),), Held.OTHER, ""),
        ((("/etc/other.ini", "app-1"),), Held.OTHER, "its task tells of none at /etc/app.ini"),
        ((), Held.OTHER, "its task tells of none at /etc/app.ini"),
    ],
)
def test_a_config_is_known_by_its_name(configs: tuple[tuple[str, str], ...], expected: Held, words: str) -> None:
    engine = type("Engine", (), {"raw": lambda *_: {"Config": {}}})()
    values = Values(_with(CONFIG), cast(Engine, engine))
    (found,) = values.of(replica(configs=configs))
    assert (found.held, found.why, found.is_setting) == (expected, words, False)
    alone = type("Engine", (), {"image_id": lambda *_: None, "image_config": lambda *_: None})()
    (new,) = Values(_with(CONFIG), cast(Engine, alone)).of_a_new_one(WORKER, {}, dict(configs))
    assert new.held is expected


def test_a_service_that_no_item_names_and_that_has_the_changes_config_is_told() -> None:
    """At whatever path."""
    other = CONFIG.model_copy(update={"services": ("enrichment-coordinator",)})
    engine = type("Engine", (), {"raw": lambda *_: {"Config": {}}})()
    values = Values(_with(other), cast(Engine, engine))
    for name, told in (("app-1", []), ("app-2", [CONFIG.says])):
        assert values.of_the_change(replica(configs=(("/elsewhere.ini", name),))) == told


def _with(item: ConfigItem) -> Profile:
    table = phase1('deployment.platform="swarm"', 'deployment.files=["s.yml"]')
    return table.model_copy(update={"change": (*table.change, item)})


LATEST = ITEM.model_copy(update={"new": "ocr/worker:latest", "old": "ocr/worker:latest@sha256:a"})


@pytest.mark.parametrize(
    ("name", "image_id", "known", "expected"),
    [
        ("ocr/worker:latest@sha256:a", "sha256:1", {"ocr/worker:latest@sha256:a": "sha256:1"}, Held.OLD),
        ("ocr/worker:latest@sha256:b", "sha256:2", {"ocr/worker:latest@sha256:a": "sha256:1"}, Held.NEW),
        ("ocr/worker:latest@sha256:b", "sha256:2", {}, Held.NEW),
        ("ocr/worker:latest", "sha256:2", {"ocr/worker:latest@sha256:a": "sha256:1"}, Held.NEW),
        ("ocr/worker:latest", "sha256:2", {}, Held.OTHER),
        ("ocr/worker:3@sha256:c", "sha256:3", {"ocr/worker:latest@sha256:a": "sha256:1"}, Held.OTHER),
        (
            "ocr/worker:latest@sha256:a",
            "sha256:1",
            {"ocr/worker:latest@sha256:a": "sha256:1", "ocr/worker:latest": "sha256:1"},
            Held.OLD,
        ),
        ("ocr/worker:latest@sha256:a", None, {}, Held.OLD),
    ],
)
def test_one_tag_for_both_and_the_old_one_by_its_digest(
    name: str, image_id: str | None, known: dict[str, str], expected: Held
) -> None:
    """`:latest` from a registry: a service of a stack keeps the tag before either digest."""
    assert held(name, image_id, known, LATEST) is expected


def test_an_old_image_by_its_digest_alone_is_known_behind_the_changes_tag() -> None:
    item = LATEST.model_copy(update={"old": "ocr/worker@sha256:a"})
    known = {"ocr/worker@sha256:a": "sha256:1"}
    assert held("ocr/worker:latest@sha256:a", "sha256:1", known, item) is Held.OLD
    assert held("ocr/worker:latest", "sha256:1", known, item) is Held.OLD
    assert held("ocr/worker:latest@sha256:b", "sha256:2", known, item) is Held.NEW
    assert held("other/worker:latest@sha256:a", "sha256:3", known, item) is Held.OTHER


def test_the_changes_image_by_another_tag_is_of_the_change_also_where_the_old_one_has_a_digest() -> None:
    other = ITEM.model_copy(update={"old": "ocr/worker:1@sha256:a", "services": ("enrichment-coordinator",)})
    raw: dict[str, Any] = {"Config": {"Env": []}}
    known = {"ocr/worker:2": "sha256:2", "ocr/worker:1@sha256:a": "sha256:1"}
    engine = type("Engine", (), {"raw": lambda *_: raw, "image_id": lambda _, name: known.get(name)})
    values = Values(profile(other), cast(Engine, engine()))
    assert values.of_the_change(replica(image_name="ocr/worker:canary", image_id="sha256:2")) == [other.says]


def test_another_service_with_the_same_tag_is_of_the_change_by_its_digest_only() -> None:
    other = LATEST.model_copy(update={"services": ("enrichment-coordinator",)})
    raw: dict[str, Any] = {"Config": {"Env": []}}
    engine = type(
        "Engine", (), {"raw": lambda *_: raw, "image_id": lambda _, name: "sha256:1" if "@" in name else None}
    )
    values = Values(profile(other), cast(Engine, engine()))
    for digest, image_id, told in (("a", "sha256:1", []), ("b", "sha256:2", [other.says])):
        one = replica(image_name=f"ocr/worker:latest@sha256:{digest}", image_id=image_id)
        assert values.of_the_change(one) == told


def test_an_image_of_another_services_item_is_not_told_of_one_that_has_its_own() -> None:
    """Each service has an item of its own, for the same image."""
    other = ITEM.model_copy(update={"services": ("enrichment-coordinator",), "key": "j"})
    both = profile().model_copy(update={"change": (*profile().change, other)})
    raw: dict[str, Any] = {"Config": {"Env": []}}
    engine = type("Engine", (), {"raw": lambda *_: raw, "image_id": lambda *_: "sha256:2"})()
    assert Values(both, cast(Engine, engine)).of_the_change(replica(image_name="ocr/worker:2")) == []
