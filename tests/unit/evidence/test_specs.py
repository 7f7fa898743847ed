"""What the stack's files hold, where one tag stands for the old image and for the change's: the registry decides."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.change.reading import Held, ValueReading
from rollback_gate.evidence.specs import Specs
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Completed
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.deployment import ConfigItem, ImageItem
from rollback_gate.profile.schema import Profile
from tests.unit.builders import phase1, replica
from tests.unit.platform.swarm.test_words import a_service

WORKER = "enrichment-worker"


def specs(folder: Path, written: str, registry: str, **item: str) -> Specs:
    (folder / "s.yml").write_text(f"services:\n  {WORKER}:\n    image: {written}\n")
    names = {"new": "ocr/worker:latest", "old": "ocr/worker:latest@sha256:a", **item}
    image = ImageItem(kind="image", services=(WORKER,), file="s.yml", key=f"services.{WORKER}.image", **names)
    found = phase1(
        'deployment.platform="swarm"', 'deployment.files=["s.yml"]', f'deployment.project_directory="{folder}"'
    )
    profile: Profile = found.model_copy(update={"change": (*found.change, image)})
    cluster = type("Cluster", (), {"digest_of": lambda *_: registry})()
    return Specs(profile, cast(Cluster, cluster), cast(Any, None))


def test_a_config_that_may_hold_the_changes_content_under_the_old_name_is_unmeasured(tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text("configs:\n  a: {external: true, name: a-1}\n")
    found = phase1(
        'deployment.platform="swarm"', 'deployment.files=["s.yml"]', f'deployment.project_directory="{tmp_path}"'
    )
    item = ConfigItem(
        kind="config", services=(WORKER,), target="/a", new="a-2", old="a-1", file="s.yml", key="configs.a.name"
    )
    profile = found.model_copy(update={"change": (*found.change, item)})
    for doubt in ("", "config a-1 was made after a-2"):
        cluster = type(
            "Cluster", (), {"why_doubted": lambda *_, with_secrets, said=doubt: said if with_secrets else ""}
        )()
        (one,) = Specs(profile, cast(Cluster, cluster), cast(Any, None)).written().values()
        assert one == (Unmeasured(item.place, doubt) if doubt else ValueReading(item.place, Held.OLD))


@pytest.mark.parametrize(
    ("written", "registry", "held"),
    [
        ("ocr/worker:latest", "sha256:a", Held.OLD),
        ("ocr/worker:latest", "sha256:b", Held.NEW),
        ("ocr/worker:latest@sha256:a", "sha256:b", Held.OLD),
        ("ocr/worker:3", "sha256:a", Held.OTHER),
    ],
)
def test_a_tag_means_what_its_registry_says(tmp_path: Path, written: str, registry: str, held: Held) -> None:
    (found,) = specs(tmp_path, written, registry).written().values()
    assert isinstance(found, ValueReading)
    assert found.held is held


def test_a_tag_whose_registry_does_not_answer_is_unmeasured(tmp_path: Path) -> None:
    (found,) = specs(tmp_path, "ocr/worker:latest", "").written().values()
    assert isinstance(found, Unmeasured)
    assert "its registry does not tell" in found.reason


def test_a_tag_of_the_change_alone_is_the_change_whatever_the_registry_says(tmp_path: Path) -> None:
    """Only where the old image has the same tag can it mean the old one."""
    (found,) = specs(tmp_path, "ocr/worker:2", "sha256:a", new="ocr/worker:2").written().values()
    assert isinstance(found, ValueReading)
    assert found.held is Held.NEW


FILE = """services:
  enrichment-worker:
    image: a:1
    configs:
    - {source: settings, target: /etc/app.ini}
    - plain
    secrets:
    - source: key
configs:
  settings: {external: true, name: app-1}
  plain: {file: ./plain}
secrets:
  key: {external: true}
"""
AS_WRITTEN = {"/etc/app.ini": "app-1", "/plain": "ocr_plain", "/run/secrets/key": "key"}


@pytest.mark.parametrize(
    ("configs", "differ"),
    [
        (AS_WRITTEN, ()),
        ({**AS_WRITTEN, "/etc/app.ini": "app-2"}, ("config /etc/app.ini",)),
        ({**AS_WRITTEN, "/run/secrets/other": "x"}, ("config /run/secrets/other",)),
        ({}, ("config /etc/app.ini", "config /plain", "config /run/secrets/key")),
    ],
)
def test_what_the_next_deployment_would_give_in_configs_and_secrets(
    tmp_path: Path, configs: dict[str, str], differ: tuple[str, ...]
) -> None:
    one = a_service("a-1-after")
    spec = copy.deepcopy(dict(one.spec))
    rows = [{"File": {"Name": path}, "ConfigName": name} for path, name in configs.items() if "secrets" not in path]
    hidden = [
        {"File": {"Name": path.rpartition("/")[2]}, "SecretName": name}
        for path, name in configs.items()
        if "secrets" in path
    ]
    spec["TaskTemplate"]["ContainerSpec"] = {"Image": "a:1", "Configs": rows, "Secrets": hidden}

    def run(argv: tuple[str, ...], **_: Any) -> Completed:
        return Completed(argv, "5.6.1" if "version" in argv else FILE, "")

    cluster = type("Cluster", (), {"environment": {}, "services": lambda *_: {WORKER: replace(one, spec=spec)}})()
    profile = phase1(
        'deployment.platform="swarm"',
        'deployment.files=["s.yml"]',
        'deployment.project="ocr"',
        f'deployment.project_directory="{tmp_path}"',
    )
    assert Specs(profile, cast(Cluster, cluster), run).rewritten([replica()]) == {WORKER: differ}
