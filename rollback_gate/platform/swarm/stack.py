"""A stack's containers as its nodes show them, beside its tasks as the manager has them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.nodes import Node
from rollback_gate.platform.swarm.service import configs_of
from rollback_gate.platform.swarm.tasks import Task

STACK_LABEL = "com.docker.stack.namespace"
SERVICE_LABEL = "com.docker.swarm.service.name"
TASK_LABEL = "com.docker.swarm.task.id"
_NO_NODE = "the manager does not know this node any more: its containers go on, look there"
_OVER = frozenset(("exited", "dead", "created", "removing"))


@dataclass(frozen=True)
class Seen:
    """One container, as its node's engine shows it. `task`: id of the task that it was made for."""

    replica: Replica
    service: str
    task: str


@dataclass(frozen=True)
class Stack:
    """The containers and tasks of one service, at one moment.

    `unasked`: by name, why a node could not be asked. `replicas_wanted`: None for a global service.
    """

    service: str
    seen: tuple[Seen, ...]
    tasks: tuple[Task, ...]
    nodes: tuple[Node, ...]
    unasked: Mapping[str, str]
    replicas_wanted: int | None = None

    def replicas(self) -> list[Replica]:
        """Containers of wanted tasks, running or not, and any other that runs: it outlived its task.

        Of a slot that Swarm has given up after too many attempts, the last one that has failed.
        """
        by_id = {task.id: task for task in self.tasks}
        found = (self._replica(one, by_id.get(one.task)) for one in self.seen)
        return [replica for replica in found if replica is not None]

    def _replica(self, one: Seen, task: Task | None) -> Replica | None:
        is_wanted = task is not None and (task.is_wanted or task in self._given_up())
        if not is_wanted and one.replica.status in _OVER:
            return None
        why = "" if is_wanted else task.says if task is not None else "is of a task that the manager does not know"
        return replace(
            one.replica,
            service=self.service,
            unwanted=why,
            config_hash=hash_of(task.template) if task else "",
            number=str(task.slot) if task and task.slot else "",
            configs=_configs(task) if task else (),
            failed_at=self._failures_before(task) if task else (),
        )

    def _given_up(self) -> list[Task]:
        """The last task of each slot that should have one and has none, where that task has failed."""
        last: dict[tuple[int, str], Task] = {}
        for task in sorted(self.tasks, key=lambda task: task.at):
            last[task.place] = task
        wanted = {task.place for task in self.tasks if task.is_wanted}
        most = self.replicas_wanted
        rows = (task for place, task in last.items() if place not in wanted and (most is None or task.slot <= most))
        return [task for task in rows if task.has_failed and not self._is_drained(task)]

    def why_ended(self, container_id: str, template: str) -> str:
        """Why the manager has ended a container; "" if it ended by itself. `template`: of a new task.

        A process that has to be killed can count as failed, though it was told to stop.
        """
        ordered = (one for one in self.tasks if one.container == container_id and not one.is_wanted)
        found = (one for one in ordered if not one.has_failed or one.template != template or self._is_drained(one))
        return next((str(one.condition) for one in found), "")

    def _is_drained(self, task: Task) -> bool:
        return any(node.id == task.node and node.availability == "drain" for node in self.nodes)

    def _failures_before(self, task: Task) -> tuple[Instant, ...]:
        """When its slot has failed with the same definition: Swarm makes a new task where Compose restarts.

        How the last one ended on a node that was drained says nothing: one that has to be killed can count as failed.
        """
        others = (one for one in self.tasks if one.place == task.place and one.template == task.template)
        failed = sorted((one for one in others if one.has_failed), key=lambda one: one.at)
        last = {one.node: one for one in failed if self._is_drained(one)}
        return tuple(one.at for one in failed if last.get(one.node) is not one)

    def unseen(self) -> list[Unmeasured]:
        """One for each container that may run on a node that could not be asked."""
        names = {node.id: node.name for node in self.nodes}
        known = {one.task for one in self.seen}
        rows = [task for task in self.tasks if task.may_run and task.id not in known]
        found = [(names.get(task.node, task.node[:12] or "?"), task) for task in rows]
        return [
            Unmeasured(f"a container of {self.service} on node {name}", self.unasked.get(name, _NO_NODE))
            for name, task in found
            if name in self.unasked or task.node not in names
        ]

    def is_out_of_reach(self, task: Task) -> bool:
        """True if its node could not be asked just now."""
        name = next((node.name for node in self.nodes if node.id == task.node), None)
        return name is None or name in self.unasked

    def left_running(self, out_of_reach: Iterable[Task]) -> list[str]:
        """What may go on as it is: containers that could not be looked at, and those that the manager cannot stop."""
        unseen = [f"{one.what} could not be looked at: {one.reason}" for one in self.unseen()]
        names = {node.id: node.name for node in self.nodes}
        known = {one.task for one in self.seen if one.replica.status not in _OVER}
        lost = (names.get(task.node, task.node[:12]) for task in out_of_reach if task.id in known)
        says = "goes on, as the manager has lost the node"
        return unseen + [f"a container of {self.service} on node {name} {says}" for name in lost]

    def without_container(self) -> list[str]:
        """What the manager says of wanted tasks that have no container."""
        known = {one.task for one in self.seen}
        rows = (task for task in self.tasks if task.is_wanted and task.id not in known)
        return [f"task {task.id[:12]}{f' of slot {task.slot}' if task.slot else ''} {task.says}" for task in rows]


def _configs(task: Task) -> tuple[tuple[str, str], ...]:
    container = json.loads(task.template).get("ContainerSpec") or {}
    return tuple(sorted(configs_of(container).items()))


def hash_of(template: str) -> str:
    """Identifies what a task is made from."""
    return hashlib.sha256(template.encode()).hexdigest()


def by_service(stack: str, name: str) -> str:
    """The service's name in the stack's file."""
    return name.removeprefix(f"{stack}_")
