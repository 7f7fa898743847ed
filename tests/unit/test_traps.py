"""Traps of libraries and engine that nothing else pins; and that docs/traps.md names tests that exist."""

from __future__ import annotations

import re
import time
from typing import Any, cast

import pytest
import testinfra

from lab.catalogue import CATALOGUE
from lab.catalogue.derived import DERIVED
from rollback_gate.change import code
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import documents, logs
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.deployed import Deployed
from rollback_gate.suite import request
from tests.unit.builders import ROOT, phase1, replica
from tests.unit.rollback.world import World

PAGE = (ROOT / "docs" / "traps.md").read_text()


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`(tests/[\w/]+\.py::test_\w+)`", PAGE))))
def test_each_test_of_the_page_exists(reference: str) -> None:
    """A page that names tests is worth what they are."""
    path, _, name = reference.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"catalogue `([\w-]+)`", PAGE))))
def test_each_entry_of_the_page_exists(name: str) -> None:
    """The same for entries of the catalogue."""
    assert name in {entry.name for entry in (*CATALOGUE, *(one.entry for one in DERIVED))}


def test_since_goes_to_the_engine_to_the_nanosecond(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A datetime loses its fraction, a float its nanoseconds: either would return lines of the process before."""
    world = World.deployed(tmp_path / "w", "bind")
    engine = world.engine({})
    asked: list[Any] = []
    real = engine.client.api.get

    def get(url: str, params: dict[str, str], **options: Any) -> Any:
        asked.append(params.get("since"))
        return real(url, params=params, **options)

    monkeypatch.setattr(engine.client.api, "get", get, raising=False)
    one = Deployed(phase1("deployment.project=p"), engine).consumers()[0]
    list(logs.blocks(engine, one, Instant(1_795_436_767_123_456_789)))
    assert asked == ["1795436767.123456789"]


def test_a_dead_database_is_asked_for_no_longer_than_allowed() -> None:
    """The driver's own default is 30 s, and no answer is no empty collection."""
    profile = phase1("database.address=127.0.0.1:1", "limits.answer_s=0.5")
    store = documents.connect(profile, {"ROLLBACK_GATE_DATABASE_PASSWORD": "password"})
    assert not isinstance(store, Unmeasured)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        store.ping()
    store.close()
    assert time.monotonic() - began < 5


def test_time_limits_stand_inside_the_container() -> None:
    """Those of testinfra and of the SDK end nothing."""
    assert code.script(phase1(), replica()).startswith(f"timeout {code.LIMIT_S} sh -c ")


def test_questions_go_to_a_container_by_its_full_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name follows a container that is replaced meanwhile; without a host testinfra would test this machine."""
    asked: list[str] = []

    class Host:
        def run(self, _: str) -> Any:
            return type("Result", (), {"rc": 0, "stdout": "", "stderr": ""})

    def get_host(host: str) -> Host:
        asked.append(host)
        return Host()

    monkeypatch.setattr(testinfra, "get_host", get_host)
    request._ask(cast(Any, None), replica(), "true")
    assert asked == [f"docker://{replica().id}"]


def test_a_container_that_is_gone_is_no_container_without_files() -> None:
    """docker exec on it returns 1, which testinfra takes for 'does not exist'."""
    gone = code.Answer(1, "", "Error response from daemon: No such container")
    assert "No such container" in str(code.parse(phase1(), gone, replica()))
