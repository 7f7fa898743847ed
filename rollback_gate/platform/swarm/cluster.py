"""A Swarm: its manager answers for services, tasks and nodes; each node's own engine for the containers on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import docker
import requests
from docker import auth
from docker.errors import DockerException

from rollback_gate.errors import Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands
from rollback_gate.platform.swarm import nodes, service, stack, tasks
from rollback_gate.platform.swarm.connections import Connections
from rollback_gate.platform.swarm.nodes import Node
from rollback_gate.platform.swarm.service import Service
from rollback_gate.platform.swarm.stack import SERVICE_LABEL, STACK_LABEL, TASK_LABEL, Seen, Stack
from rollback_gate.platform.swarm.tasks import Task
from rollback_gate.redaction import cut

_AT_ONCE = 8  # nodes that are asked at the same time
_UPDATE_S, _BAD = 60, 400
_READY = "ready"


@dataclass(frozen=True)
class Object:
    """A config or a secret. `data`: as the manager tells it; "" of a secret, and of an empty config."""

    id: str
    data: str
    created: Instant


@dataclass(frozen=True)
class Cluster:
    """`id`: of the Swarm. Its methods raise Unreachable if the manager does not answer."""

    manager: Engine
    id: str
    nodes: tuple[Node, ...]
    connections: Connections

    @property
    def host(self) -> str:
        return self.manager.host

    @property
    def environment(self) -> Mapping[str, str]:
        return self.manager.environment

    @property
    def main(self) -> Engine:
        """The manager."""
        return self.manager

    def of(self, replica: Replica) -> Engine:
        """The engine of its node. Raises Unreachable."""
        return self.on(replica.node)

    def on(self, name: str) -> Engine:
        """The engine of a node. Raises Unreachable."""
        node = next((node for node in self.nodes if node.name == name), None)
        if node is None:
            raise Unreachable(f"the Swarm has no node {name}", "look with `docker node ls`")
        return self.connections.to(node)

    def now(self) -> Instant:
        """The manager's clock."""
        return self.manager.now()

    def services(self, project: str) -> dict[str, Service]:
        """The services of a stack, by their names in its file."""
        with _understood("the services"):
            rows = self.manager.client.api.services(  # type: ignore[no-untyped-call]
                filters={"label": f"{STACK_LABEL}={project}"}
            )
            found = [service.parse(row) for row in rows]
        return {stack.by_service(project, one.name): one for one in found}

    def tasks(self, project: str) -> tuple[Task, ...]:
        """The tasks of all services of a stack: the wanted ones, and the few that Swarm remembers."""
        with _understood("the tasks"):
            rows = self.manager.client.api.tasks(  # type: ignore[no-untyped-call]
                filters={"label": f"{STACK_LABEL}={project}"}
            )
            return tuple(tasks.parse(row) for row in rows)

    def stacks(self, project: str) -> dict[str, Stack]:
        """What there is of each service of a stack, by its name in the file; every node is asked."""
        of_service, of_task = self.services(project), self.tasks(project)
        seen, unasked = self._seen(project)
        names = {*of_service, *(one.service for one in seen)}
        return {
            name: Stack(
                name,
                tuple(one for one in seen if one.service == name),
                tuple(task for task in of_task if name in of_service and task.service == of_service[name].id),
                self.nodes,
                unasked,
                of_service[name].replicas if name in of_service else None,
            )
            for name in sorted(names)
        }

    def _seen(self, project: str) -> tuple[list[Seen], dict[str, str]]:
        """Containers of all services; and nodes that could not be asked, with the reason."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found = list(pool.map(lambda node: self._on(node, project), self.nodes))
        rows = zip(self.nodes, found, strict=True)
        unasked = {node.name: answer.reason for node, answer in rows if isinstance(answer, Unmeasured)}
        return [one for answer in found if not isinstance(answer, Unmeasured) for one in answer], unasked

    def _on(self, node: Node, project: str) -> list[Seen] | Unmeasured:
        try:
            labelled = self.connections.to(node).with_labels(f"containers on {node.name}", f"{STACK_LABEL}={project}")
        except Unreachable as error:
            if isinstance(error.__cause__, requests.Timeout):
                self.connections.lost(node, error)
            return Unmeasured(f"the containers on node {node.name}", error.message)
        return [_seen(replace(one, node=node.name), project, labels) for one, labels in labelled]

    def stands(self, project: str, services: Iterable[str]) -> Stands:
        """What only a Swarm can be in the way of: updates, nodes and their clocks."""
        known, found = self.services(project), self.stacks(project)
        rows = {name: found[name] for name in services if name in found}
        return Stands(
            updates={name: known[name].unrest for name in rows if name in known},
            lacking={name: tuple(one.without_container()) for name, one in rows.items()},
            unasked={name: tuple(self._unasked(known.get(name), one)) for name, one in rows.items()},
            apart_s=self._clocks(rows.values()),
            remembers=self._remembers(),
        )

    def _remembers(self) -> int | None:
        with _understood("the state of the Swarm"):
            swarm = self.manager.client.api.inspect_swarm()
            limit = (swarm["Spec"].get("Orchestration") or {}).get("TaskHistoryRetentionLimit")
            return None if limit is None else int(limit)

    def digest_of(self, image: str) -> str:
        """The digest that the image's registry has for it; "" if no registry tells. Asked once: it may take long."""
        known = self.connections.digests
        if image not in known:
            known[image] = self._asked_digest(image)
        return known[image]

    def _asked_digest(self, image: str) -> str:
        try:
            with answering(f"image {image} in its registry"):
                found = self.manager.client.api.inspect_distribution(image)  # type: ignore[no-untyped-call]
        except Unreachable:
            return ""
        return str((found.get("Descriptor") or {}).get("digest") or "")

    def lost_nodes(self) -> frozenset[str]:
        """Ids of the nodes of which the manager does not hear now."""
        return frozenset(node.id for node in read_nodes(self.manager) if node.state != _READY)

    def object_of(self, kind: str, name: str) -> Object | None:
        """A Config or a Secret; None if there is none of this name."""
        with _understood(f"the {kind.lower()}s"):
            api = self.manager.client.api
            rows = (api.configs if kind == "Config" else api.secrets)(filters={"name": name})
            found = [row for row in rows if row["Spec"]["Name"] == name]
            return _object(found[0]) if found else None

    def why_doubted(self, old: str, new: str, with_secrets: bool) -> str:
        """Why a config `old` may hold what `new` holds: a name proves no content. "" if nothing shows it.

        It was made after `new`, and holds the same. What was never removed since holds what it always did, also where a
        version left it as it was. `with_secrets`: of a secret that was made after `new`, nobody can tell.
        """
        for kind in ("Config", "Secret") if with_secrets else ("Config",):
            one, other = self.object_of(kind, old), self.object_of(kind, new)
            if one and other and one.created > other.created and one.data == other.data:
                holds = "holds the same" if one.data else "nobody can tell what it holds"
                return f"{kind.lower()} {old} was made after {new}, and {holds}"
        return ""

    def post(self, service: Service, spec: Mapping[str, Any]) -> None:
        """Give a service this spec, and for another image this user's credentials: else it keeps its own.

        Raises Unreachable, also if it has another version by now.
        """
        api = self.manager.client.api
        url = f"{api.base_url}/v{api.api_version}/services/{service.id}/update"
        with answering(f"the update of {service.name}"):
            image = str(spec["TaskTemplate"]["ContainerSpec"].get("Image") or "")
            headers = credentials(api, image) if image != service.image else {}
            asked = {"version": service.version}
            answer = api.post(url, json=spec, params=asked, headers=headers, timeout=_UPDATE_S)
            if answer.status_code >= _BAD:
                says = cut(str(answer.text).strip(), 300)
                raise Unreachable(f"the manager refused the update of {service.name}: {says}", "fix what it names")

    def places(self, project: str, service: str) -> list[str]:
        """Active nodes that answer, and that no constraint rules out."""
        found = self.services(project).get(service)
        rules = found.constraints if found else ()
        return [node.name for node in self.nodes if node.may_be_given(rules) and self._answers(node)]

    def _answers(self, node: Node) -> bool:
        """Now: it may have been lost since it was first asked."""
        try:
            with answering(f"node {node.name}"):
                self.connections.to(node).client.ping()
        except Unreachable:
            return False
        return True

    @staticmethod
    def _unasked(of: Service | None, found: Stack) -> Iterator[Unmeasured]:
        rules = of.constraints if of else ()
        had = {task.node for task in found.tasks}
        for node in found.nodes:
            if node.name in found.unasked and (node.id in had or node.may_run(rules)):
                yield Unmeasured(f"node {node.name}", found.unasked[node.name])

    def _clocks(self, found: Iterable[Stack]) -> dict[str, float | Unmeasured]:
        """By how many seconds the clock of each node that runs one of them is off the manager's."""
        names = {one.replica.node for row in found for one in row.seen}
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return dict(zip(sorted(names), pool.map(self._apart, sorted(names)), strict=True))

    def _apart(self, name: str) -> float | Unmeasured:
        try:
            engine = self.on(name)
            before, there, after = self.now(), engine.now(), self.now()
        except Unreachable as error:
            return Unmeasured(f"the clock of node {name}", error.message)
        if before <= there <= after:
            return 0.0
        return there.seconds_since(after) if there > after else there.seconds_since(before)

    # --- as any deployment's engines

    def of_service(self, project: str, service: str) -> list[Replica]:
        found = self.stacks(project).get(service)
        return found.replicas() if found else []

    def unseen(self, project: str, service: str) -> list[Unmeasured]:
        """Containers that may run on nodes that cannot be asked."""
        found = self.stacks(project).get(service)
        return found.unseen() if found else []

    def unseen_services(self, project: str) -> dict[str, Unmeasured]:
        """As `unseen`, of every service of the stack."""
        return {name: found[0] for name, one in self.stacks(project).items() if (found := one.unseen())}

    def of_project(self, project: str) -> list[Replica]:
        return [replica for one in self.stacks(project).values() for replica in one.replicas()]

    def one_offs(self, _: str) -> list[Replica]:
        """None: Swarm starts containers for its services only."""
        return []

    def why_ended(self, project: str, replica: Replica) -> str:
        """Why the manager has ended a container, in words; "" if it ended by itself."""
        service, found = self.services(project).get(replica.service), self.stacks(project).get(replica.service)
        if found is None:
            return ""
        now = replace(found, nodes=read_nodes(self.manager))  # a node may have been drained since this began
        return now.why_ended(replica.id, service.template if service else "")

    def others(self, project: str, listed: Iterable[str]) -> dict[str, str]:
        """What they are made from: their tasks come and go by themselves."""
        names = set(listed)
        found = self.services(project).items()
        rows = [(name, one) for name, one in found if name not in names]
        return {f"service {name}": f"{one.id} {stack.hash_of(one.template)}" for name, one in rows}

    def everywhere(self) -> Iterator[Engine]:
        """Each node that answers."""
        for node in self.nodes:
            with contextlib.suppress(Unreachable):
                yield self.connections.to(node)

    def close(self) -> None:
        self.connections.close()
        self.manager.close()


def credentials(api: docker.APIClient, image: str) -> dict[str, str]:
    """Of this user for the image's registry, for the nodes that fetch it; without any, the service keeps its own."""
    try:
        registry, _ = auth.resolve_repository_name(image)
        header = auth.get_config_header(api, registry)
    except DockerException:  # a helper program that does not work
        return {}
    return {"X-Registry-Auth": header.decode() if isinstance(header, bytes) else str(header)} if header else {}


def _object(row: Mapping[str, Any]) -> Object:
    return Object(str(row["ID"]), str(row["Spec"].get("Data") or ""), Instant.parse(row["CreatedAt"]))


def _seen(replica: Replica, project: str, labels: Mapping[str, str]) -> Seen:
    return Seen(replica, stack.by_service(project, labels.get(SERVICE_LABEL, "")), labels.get(TASK_LABEL, ""))


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Turns answers of another form into Unreachable, too."""
    try:
        with answering(what):
            yield
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"the manager's answer about {what} has another form: {error!r}", "report it") from error


def read_nodes(manager: Engine) -> tuple[Node, ...]:
    """Raises Unreachable, also if the engine is no manager of a Swarm."""
    with _understood("the nodes"):
        return nodes.parse(manager.client.api.nodes())


def names_of_stacks(engine: Engine) -> list[str]:
    """The Swarm's stacks; [] if the engine is no manager. Raises Unreachable."""
    with answering("the state of the Swarm"):
        if not (engine.client.api.info().get("Swarm") or {}).get("ControlAvailable"):
            return []
    with _understood("the services"):
        rows = engine.client.api.services(filters={"label": STACK_LABEL})  # type: ignore[no-untyped-call]
        return sorted({str(row["Spec"]["Labels"][STACK_LABEL]) for row in rows})


def read_id(manager: Engine) -> str:
    """The Swarm's id. Raises Unreachable, saying what to do if this engine is no manager."""
    with answering("the state of the Swarm"):
        swarm = manager.client.api.info().get("Swarm") or {}
    if not swarm.get("ControlAvailable"):
        state = "is a worker of a Swarm" if swarm.get("NodeID") else "is not part of a Swarm"
        raise Unreachable(f"the engine at {manager.host} {state}", "set DOCKER_HOST to one of the Swarm's managers")
    return str((swarm.get("Cluster") or {}).get("ID") or "")
