"""The manager keeps who has a stack: by a config, whose name one caller only can make."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError, NotFound

from rollback_gate.errors import Locked, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.platform.engine import Engine
from rollback_gate.rollback import lease
from rollback_gate.rollback.lock import boot_id
from tests.unit.builders import phase1

NOW = Instant.parse("2026-11-27T12:00:00Z")
NAME = "rollback-gate.ocr"


@dataclass
class Api:
    """Configs by name, as a manager keeps them."""

    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> dict[str, str]:
        assert data
        if name in self.known:
            answer = requests.Response()
            answer.status_code = 409
            raise APIError("conflict", answer)
        self.known[name] = labels
        return {"ID": name}

    def configs(self, filters: dict[str, str]) -> list[Any]:
        return [
            {"ID": name, "Spec": {"Name": name, "Labels": labels}}
            for name, labels in self.known.items()
            if name.startswith(filters["name"])
        ]

    def remove_config(self, name: str) -> None:
        if self.known.pop(name, None) is None:
            raise NotFound("no such config")


def manager(api: Api) -> Engine:
    return Engine(cast(Any, type("Client", (), {"api": api})), "tcp://manager", "engine", {})


def take(api: Api) -> Any:
    return lease.leased(manager(api), "ocr", "amit", "rollback", NOW)


def test_it_is_there_while_it_is_held_and_gone_after() -> None:
    api = Api()
    with take(api):
        assert api.known[NAME]["operator"] == "amit"
        assert api.known[NAME]["pid"] == str(os.getpid())
    assert api.known == {}


def test_a_second_one_is_refused_and_told_who_has_it() -> None:
    api = Api()
    with take(api), pytest.raises(Locked, match=r"amit on .*, process .*, rollback, since") as refused, take(api):
        raise AssertionError("both have it")
    assert f"docker config rm {NAME}" in refused.value.remedy
    assert api.known == {}


@pytest.mark.parametrize(
    ("labels", "is_dead"),
    [
        ({"pid": "999999999", "process": "5"}, True),
        ({"pid": str(os.getpid()), "process": "another process of this number"}, True),
        ({"pid": str(os.getpid()), "process": lease._started(os.getpid())}, False),
        ({"pid": "999999999", "process": "5", "host": "another"}, False),
        ({"pid": "no number", "process": "5"}, False),
        ({"pid": "999999999", "process": "5", "boot_id": "before a restart"}, False),
    ],
)
def test_only_the_holders_own_machine_knows_that_it_is_dead(labels: dict[str, str], is_dead: bool) -> None:
    whole = {"host": socket.gethostname(), "boot_id": boot_id(), "operator": "a", "purpose": "verify", "since": "x"}
    api = Api({NAME: {**whole, **labels}})
    assert lease.is_dead(api.known[NAME]) is is_dead
    if is_dead:
        with take(api):
            assert api.known[NAME]["operator"] == "amit"
        return
    with pytest.raises(Locked), take(api):
        raise AssertionError("it was taken from a living holder")
    assert api.known[NAME]["operator"] == "a"


def test_a_name_that_somebody_else_has_made_is_respected() -> None:
    with pytest.raises(Locked, match="has left no name"), take(Api({NAME: {}})):
        raise AssertionError("taken over")


def test_a_stack_whose_name_begins_the_same_is_another() -> None:
    with take(Api({"rollback-gate.ocr-two": {"operator": "b"}})):
        pass


def test_a_manager_that_does_not_answer_is_told() -> None:
    class Silent(Api):
        def create_config(self, *_: Any, **__: Any) -> Any:
            raise requests.ConnectionError("refused")

    with pytest.raises(Unreachable), take(Silent()):
        raise AssertionError("held without an answer")


def test_unlock_tells_who_has_the_stack_on_another_machine() -> None:
    profile = phase1('deployment.project="ocr"')
    other = {"host": "another", "boot_id": "x", "operator": "amit", "pid": "7", "purpose": "verify", "since": "noon"}
    says = lease.left(manager(Api({NAME: other})), profile)
    assert says.startswith("the stack is held by amit on another, process 7, verify, since noon")
    assert says.endswith(f"docker config rm {NAME}")
    assert lease.left(manager(Api()), profile) == ""
