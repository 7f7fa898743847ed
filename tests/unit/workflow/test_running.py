"""What runs for a folder: a project of Compose, or a stack; and what is odd in a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.errors import Refused
from rollback_gate.evidence.adapters.recognised import named_in
from rollback_gate.evidence.oddities import oddities
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines
from rollback_gate.workflow import running as runs
from rollback_gate.workflow.running import Where
from tests.unit.builders import replica

STACK = "services:\n  worker: {image: a}\n  api: {image: b}\n"


class Bare:
    """An engine without any container of Compose; `stacks`: of the Swarm that it manages."""

    def __init__(self, stacks: list[str] | None = None) -> None:
        rows = [{"Spec": {"Labels": {"com.docker.stack.namespace": name}}} for name in stacks or []]
        api = {
            "info": lambda _: {"Swarm": {"ControlAvailable": stacks is not None}},
            "services": lambda _, **__: rows,
        }
        self.client = type("Client", (), {"api": type("Api", (), api)()})()

    def values_of(self, _: str) -> dict[str, str]:
        return {}

    def labelled(self, *_: str) -> list[Any]:
        return []


def found(engine: Bare, project: str = "") -> runs.Running:
    return runs.running(cast(Engine, engine), {}, Where(Path("/srv/ocr"), project, "", None))


def test_without_a_project_and_without_a_stack_nothing_is_proposed() -> None:
    with pytest.raises(Refused, match="no container of a project made in /srv/ocr"):
        found(Bare())
    with pytest.raises(Refused, match="no container of project shop"):
        found(Bare(["ocr"]), "shop")


def test_of_several_stacks_none_is_taken_without_asking() -> None:
    """Nothing ties a stack to a folder."""
    with pytest.raises(Refused, match="there are several stacks: ocr, shop"):
        found(Bare(["ocr", "shop"]))


def test_the_stacks_file_is_the_one_with_its_services_and_the_fewest_others(tmp_path: Path) -> None:
    (tmp_path / "docker-stack.yml").write_text(STACK)
    (tmp_path / "docker-compose.yml").write_text(f"{STACK}  database: {{image: c}}\n")
    (tmp_path / "half.yaml").write_text("services:\n  worker: {image: a}\n")
    (tmp_path / "broken.yml").write_text("services: [")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "dates.yml").write_text("a: 2024-13-45\n")
    (tmp_path / "list.yml").write_text("- services\n")
    assert runs._stack_files(tmp_path, {"worker", "api"}) == ["docker-stack.yml"]
    assert runs._stack_files(tmp_path, {"worker", "mailer"}) == []
    assert runs._stack_files(tmp_path, set()) == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("MONGO_URI=mongodb://u:p%40w@172.12.0.132:27018/gvpocr?a=b", {"database": ("mongodb", "172.12.0.132:27018")}),
        ("MONGO_URI=mongodb://db.example.org/gvpocr", {"database": ("mongodb", "db.example.org:27017")}),
        ("NSQD_ADDRESS=172.12.0.132:4150", {"queue": ("nsq", "172.12.0.132:4151")}),
        ("NSQD_HOST=172.12.0.132", {"queue": ("nsq", "172.12.0.132:4151")}),
        ("CACHE=redis://10.0.0.5:6380/1", {"queue": ("redis", "10.0.0.5:6380")}),
        ("NSQLOOKUPD_ADDRESSES=172.12.0.132:4161", {}),
        ("MONGO_USERNAME=first.last", {}),
        ("MONGO_PASSWORD=gvp@1.2", {}),
        ("MONGO_URI=mongodb://mongodb:27017/gvpocr", {}),
        ("OLLAMA_HOST=http://172.12.0.132:11434", {}),
    ],
)
def test_systems_that_the_environment_names(row: str, says: dict[str, tuple[str, str]]) -> None:
    """With the port of the interface that is asked, which some have beside their clients'."""
    assert named_in([row]) == says


@pytest.mark.parametrize(
    ("command", "health", "is_stack", "words"),
    [
        (["run.py", "--id", "{{.Task.Slot}}"], "", True, ["its command holds {{.Task.Slot}} as it stands here"]),
        (["run.py", "--id", "{{.Task.Slot}}"], "", False, []),
        (
            ["sh", "-c", "export PASSWORD=p\nrun --id={{ .Node.Hostname }}"],
            "",
            True,
            ["holds {{ .Node.Hostname }} as it"],
        ),
        (["run.py", "{{jinja}}"], "", True, []),
        (["run.py"], "unhealthy", True, ["fails in 1 of 1 containers: Swarm ends such a task"]),
        (["run.py"], "unhealthy", False, ["fails in 1 of 1 containers"]),
        (["run.py"], "healthy", True, []),
        (["run.py"], "starting", True, ["so no update of it can end"]),
    ],
)
def test_what_does_not_do_what_its_author_may_have_meant(
    command: list[str], health: str, is_stack: bool, words: list[str]
) -> None:
    """`starting` is a health check that has failed, once it has spoken."""
    engine = type("Engine", (), {"raw": lambda *_: {"Config": {"Cmd": command}}})()
    engines = type("Engines", (), {"of": lambda *_: engine})()
    said = list(oddities(cast(Engines, engines), [replica(health=health, check_results=1)], is_stack))
    assert len(said) == len(words)
    assert all(one in text for one, text in zip(words, said, strict=True))
    assert "PASSWORD" not in "".join(said)
