"""The way to a deployment's engines: one engine, or a manager and the engines of its nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError

from rollback_gate.errors import RollbackGateError, Unreachable, WrongSetting
from rollback_gate.model import Unmeasured
from rollback_gate.platform import connected, engine
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.schema import Profile
from tests.unit.builders import CAPTURES, phase1, replica

ROWS = json.loads((CAPTURES / "swarm" / "nodes.json").read_text())
BY_NAME = {row["Description"]["Hostname"]: row["ID"] for row in ROWS}
STACK, COMPOSE = "com.docker.stack.namespace", "com.docker.compose.project"


@dataclass
class Api:
    """The few answers that are asked for. `node`: id of the node that it is; `labels`: of its containers."""

    node: str = ""
    is_manager: bool = True
    labels: list[dict[str, str]] = field(default_factory=list)
    services_there: list[Any] = field(default_factory=list)

    def info(self) -> dict[str, Any]:
        swarm = {"NodeID": self.node, "ControlAvailable": self.is_manager, "Cluster": {"ID": "the-swarm"}}
        return {"ID": "engine", "Swarm": swarm if self.node else {}, "SystemTime": "2026-11-27T12:00:00Z"}

    def nodes(self) -> list[Any]:
        return cast("list[Any]", ROWS)

    def services(self, filters: Any) -> list[Any]:
        assert filters["label"].startswith(STACK)
        return self.services_there

    def containers(self, filters: Any, **_: Any) -> list[Any]:
        name = filters["label"][0]
        return [{"Id": "c" * 64, "Labels": labels} for labels in self.labels if name.partition("=")[0] in labels]

    def inspect_container(self, _: str) -> Any:
        raise AssertionError


@dataclass
class Client:
    api: Api
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Machines:
    """Engines by their address."""

    by_host: Mapping[str, Client]

    def connect(self, environ: Mapping[str, str]) -> Engine:
        host = environ.get("DOCKER_HOST", f"context {environ.get('DOCKER_CONTEXT')}")
        if host not in self.by_host:
            raise Unreachable(f"no Docker Engine answers at {host}: refused", "start it")
        return Engine(cast(Any, self.by_host[host]), host, "engine", environ)


def profile(*nodes: str) -> Profile:
    settings = ['deployment.platform="swarm"', 'deployment.files=["docker-stack.yml"]', 'deployment.project="ocr"']
    return phase1(*settings, *nodes)


def cluster(monkeypatch: pytest.MonkeyPatch, machines: dict[str, Client], *nodes: str) -> Cluster:
    monkeypatch.setattr(engine, "connect", Machines(machines).connect)
    found = connected.connect(profile(*nodes), {"DOCKER_HOST": "tcp://manager:2375", "DOCKER_TLS_VERIFY": "1"})
    assert isinstance(found, Cluster)
    return found


def manager(**more: Any) -> dict[str, Client]:
    return {"tcp://manager:2375": Client(Api(BY_NAME["rgl1"], **more))}


def test_a_swarm_is_known_by_its_own_id_and_asked_through_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cluster(monkeypatch, manager())
    assert (found.id, found.host) == ("the-swarm", "tcp://manager:2375")
    assert found.of(replica(node="rgl1")) is found.manager


@pytest.mark.parametrize(("node", "says"), [("", "is not part of a Swarm"), ("w", "is a worker of a Swarm")])
def test_an_engine_that_is_no_manager_is_refused(node: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = {"tcp://manager:2375": Client(Api(node, is_manager=False))}
    with pytest.raises(Unreachable, match=says):
        cluster(monkeypatch, machines)
    assert machines["tcp://manager:2375"].closed


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ("", "ssh://10.213.2.2"),
        ('nodes.rgl2.address="tcp://two:2376"', "tcp://two:2376"),
        ('nodes.rgl2.context="two"', "context two"),
    ],
)
def test_a_node_is_reached_as_the_profile_says_else_by_ssh(
    node: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the manager's own certificates, which are for the manager."""
    machines = {**manager(), host: Client(Api(BY_NAME["rgl2"]))}
    found = cluster(monkeypatch, machines, *filter(None, [node])).of(replica(node="rgl2"))
    assert found.host == host
    assert "DOCKER_TLS_VERIFY" not in found.environment


def test_an_address_at_which_another_node_answers_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names of one engine would show the same containers twice, and hide the others."""
    machines = {**manager(), "ssh://10.213.2.2": Client(Api(BY_NAME["rgl3"]))}
    with pytest.raises(Unreachable, match="answers another engine"):
        cluster(monkeypatch, machines).of(replica(node="rgl2"))
    assert machines["ssh://10.213.2.2"].closed


def test_a_node_that_does_not_answer_is_told_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cluster(monkeypatch, manager())
    for _ in range(2):
        with pytest.raises(Unreachable, match=r"node rgl3: no Docker Engine answers at ssh://10\.213\.3\.2"):
            found.on("rgl3")
    with pytest.raises(Unreachable, match="has no node other"):
        found.on("other")


def test_what_cannot_be_asked_is_no_container_and_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cluster(monkeypatch, manager())
    seen, unasked = found._seen("ocr")
    assert (seen, sorted(unasked)) == ([], ["rgl2", "rgl3"])
    assert isinstance(found._on(found.nodes[1], "ocr"), list | Unmeasured)


@pytest.mark.parametrize(
    ("failure", "asked"),
    [(requests.ConnectionError("reset"), 3), (requests.ReadTimeout("15 s"), 1), (APIError("no such option"), 3)],
)
def test_a_node_that_has_stopped_answering_is_asked_once(
    failure: Exception, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while: each question would wait as long. What fails at once costs nothing."""
    questions: list[Any] = []

    class Failing(Api):
        def containers(self, filters: Any, **_: Any) -> list[Any]:
            questions.append(filters)
            raise failure

    client = Client(Failing(BY_NAME["rgl2"]))
    found = cluster(monkeypatch, {**manager(), "ssh://10.213.2.2": client})
    reasons = [found._seen("ocr")[1]["rgl2"] for _ in range(3)]
    assert all(one.count("node rgl2") <= 1 for one in reasons)
    assert len(questions) == asked
    found.connections.clock = lambda: time.monotonic() + 60
    assert "rgl2" in found._seen("ocr")[1]
    assert len(questions) == asked + 1
    found.close()
    assert client.closed


def test_a_profile_for_the_other_platform_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that somebody has stopped it."""
    machines = manager(labels=[{STACK: "ocr"}, {COMPOSE: "another"}])
    monkeypatch.setattr(engine, "connect", Machines(machines).connect)
    with pytest.raises(WrongSetting, match="ocr is a stack of a Swarm"):
        connected.connect(phase1('deployment.project="ocr"'), {"DOCKER_HOST": "tcp://manager:2375"})
    with pytest.raises(RollbackGateError, match="ocr is a project of Docker Compose"):
        cluster(monkeypatch, manager(labels=[{COMPOSE: "ocr"}]))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (['deployment.platform="swarm"'], "name the stack's files"),
        (['nodes.a.address="tcp://a:1"'], "only a Swarm has them"),
        (['deployment.platform="swarm"', 'deployment.files=["s.yml"]', 'nodes.a.address="a:1"'], "must begin with"),
        (
            ['deployment.platform="swarm"', 'deployment.files=["s.yml"]', 'nodes.a.certificates="/c"'],
            "either address or",
        ),
        (
            [
                'deployment.platform="swarm"',
                'deployment.files=["s.yml"]',
                'nodes.a.address="ssh://a"',
                'nodes.a.certificates="/c"',
            ],
            "certificates are for a tcp:// address",
        ),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(settings: list[str], says: str) -> None:
    with pytest.raises(WrongSetting, match=says):
        phase1(*settings)


def test_a_machine_that_refuses_is_told_at_once() -> None:
    with pytest.raises(Unreachable, match=r"no Docker Engine answers at tcp://127\.0\.0\.1:1: .*refused"):
        engine.connect({"DOCKER_HOST": "tcp://127.0.0.1:1"})


def test_any_service_that_may_run_on_a_node_that_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that no profile lists: it may carry the change there."""
    service = json.loads((CAPTURES / "swarm" / "service-a-0.json").read_text())
    service = service[0] if isinstance(service, list) else service
    rows = json.loads((CAPTURES / "swarm" / "tasks-miss-1.json").read_text())
    running = next(row for row in rows if row["Status"]["State"] == "running")

    class Busy(Api):
        def tasks(self, filters: Any) -> list[Any]:
            assert filters
            return [{**running, "ServiceID": service["ID"], "NodeID": BY_NAME["rgl2"]}]

    found = cluster(monkeypatch, {"tcp://manager:2375": Client(Busy(BY_NAME["rgl1"], services_there=[service]))})
    assert list(found.unseen_services("ocr")) == ["a"]


@pytest.mark.parametrize(
    ("kind", "old", "new", "doubted"),
    [
        ("Config", (1, "same"), (2, "same"), (False, False)),
        ("Config", (3, "same"), (2, "same"), (True, True)),
        ("Config", (3, "other"), (2, "same"), (False, False)),
        ("Secret", (1, ""), (2, ""), (False, False)),
        ("Secret", (3, ""), (2, ""), (False, True)),
        ("Config", None, (2, "same"), (False, False)),
    ],
)
def test_a_config_that_was_made_after_the_changes_and_holds_the_same_is_doubted(
    kind: str,
    old: tuple[int, str] | None,
    new: tuple[int, str],
    doubted: tuple[bool, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`doubted`: without secrets, of which nobody can tell what they hold, and with them."""
    made = {"a-1": old, "a-2": new}
    rows = [
        {"ID": name, "CreatedAt": f"2026-11-2{one[0]}T10:00:00Z", "Spec": {"Name": name, "Data": one[1]}}
        for name, one in made.items()
        if one
    ]
    rows.append({"ID": "x", "CreatedAt": "2026-11-01T10:00:00Z", "Spec": {"Name": "a-10", "Data": "same"}})
    machines = manager()
    (client,) = machines.values()
    own: dict[str, Any] = {"Config": "configs", "Secret": "secrets"}
    for one, method in own.items():
        setattr(client.api, method, lambda filters, one=one: rows if one == kind and filters else [])
    found = cluster(monkeypatch, machines)
    assert tuple(bool(found.why_doubted("a-1", "a-2", one)) for one in (False, True)) == doubted
