"""A stack's update that is killed, or loses a node, at every single question to the manager: what follows converges.

The manager is simulated as the real one behaves (decision 16): an update replaces one task after the other, waits for
the very task that it has made, stands still for ever if that one's node is lost, and pauses when the node comes back.
On a real Swarm: tests/e2e/test_swarm.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.change.goal import Direction, Goal
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.nodes import Node
from rollback_gate.platform.swarm.service import Service, Update
from rollback_gate.platform.swarm.stack import Stack
from rollback_gate.platform.swarm.tasks import Task
from rollback_gate.rollback import stacks
from rollback_gate.rollback.stacks import Limits
from tests.unit.platform.swarm.test_update import settled
from tests.unit.rollback.test_stacks import BACK, WORKER, container, profile, service

UNDO = replace(BACK, direction=Direction.UNDO)
LOST, HERE = "lost", "here"
NODES = tuple(Node(name, name, "", "ready", "active", {}) for name in (HERE, LOST))
MOST_CALLS = 400


class Killed(BaseException):
    """As by SIGKILL: nothing of the run gets to know of it."""


def nothing() -> None:
    """At a question at which nothing happens."""


@dataclass
class Manager:
    """`at`: what happens at the n-th question. `current`: the wanted task of each slot. `left`: those not wanted any more."""

    now: Service = field(default_factory=service)
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    calls: int = 0
    away: bool = False
    current: list[Task] = field(default_factory=list)
    left: list[Task] = field(default_factory=list)
    waits_for: str = ""
    made: int = 0

    def __post_init__(self) -> None:
        places = (HERE, HERE, LOST)
        rows = zip(settled(), places, strict=True)
        self.current = [replace(task, node=place, template=self.now.template) for task, place in rows]

    def asked(self) -> None:
        self.calls += 1
        assert self.calls < MOST_CALLS, "it does not end"
        self.at.pop(self.calls, nothing)()
        self.moves_on()

    def moves_on(self) -> None:
        """One step of the updater."""
        if self.now.update is not Update.GOES_ON:
            return
        if self.waits_for:
            self.waited()
            return
        slot = next((n for n, task in enumerate(self.current) if task.template != self.now.template), None)
        if slot is None:
            self.now = replace(self.now, update=Update.DONE, version=self.now.version + 1)
        else:
            self.begins(slot)

    def begins(self, slot: int) -> None:
        self.made += 1
        place = LOST if slot == 2 and not self.away else HERE
        old, new = self.current[slot], f"new-{self.made}"
        made = replace(old, id=new, node=place, state="assigned", template=self.now.template)
        self.left += [replace(old, desired="shutdown", state=self.ended(old))]
        self.current[slot], self.waits_for = made, new

    def ended(self, task: Task) -> str:
        return task.state if self.away and task.node == LOST else "shutdown"

    def waited(self) -> None:
        """Only for the task that it has made: one that took its place is not looked at."""
        for slot, task in enumerate(self.current):
            if task.id == self.waits_for and not (self.away and task.node == LOST):
                self.current[slot], self.waits_for = replace(task, state="running"), ""
                return

    def loses_a_node(self) -> None:
        """Its tasks are taken back, and replaced elsewhere; their containers go on."""
        self.away = True
        for slot, task in enumerate(self.current):
            if task.node == LOST:
                self.made += 1
                self.left.append(replace(task, desired="shutdown"))
                self.current[slot] = replace(task, id=f"instead-{self.made}", node=HERE, state="running")

    def gets_it_back(self) -> None:
        self.away = False
        if any(task.id == self.waits_for and task.node == LOST for task in self.left):
            self.now = replace(self.now, update=Update.PAUSED, message=f"early termination of {self.waits_for}")
        self.left = [replace(task, state="shutdown") for task in self.left]

    # --- as a cluster

    def services(self, _: str) -> dict[str, Service]:
        self.asked()
        return {WORKER: self.now, "enrichment-coordinator": self.now}

    def stacks(self, _: str) -> dict[str, Stack]:
        self.asked()
        unasked = {LOST: "no answer"} if self.away else {}
        return {WORKER: Stack(WORKER, (), (*self.current, *self.left), NODES, unasked)}

    def post(self, _: Service, spec: dict[str, Any]) -> None:
        self.asked()
        before = self.now.template
        self.now = replace(self.now, spec=spec, version=self.now.version + 1)
        if self.now.template != before:
            self.now, self.waits_for = replace(self.now, update=Update.GOES_ON), ""
        self.asked()  # taken, and the answer is lost

    def lost_nodes(self) -> frozenset[str]:
        return frozenset([LOST] if self.away else [])

    def digest_of(self, _: str) -> str:
        return ""

    def places(self, *_: str) -> list[str]:
        return [HERE]

    def on(self, _: str) -> Any:
        return type("Engine", (), {"image_id": lambda *_: "sha256:1"})()

    # ---

    def run(self, goal: Goal, kept: Path) -> None:
        """As the step of a run does, which is only made where it is needed."""
        want = stacks.of_goal(profile(), cast(Cluster, self), kept, goal)[WORKER]
        if not want.is_reached:
            ticks = iter(range(10**6))
            limits = Limits(MOST_CALLS, lambda: float(next(ticks)), lambda _: None)
            stacks.updated(cast(Cluster, self), "ocr", WORKER, want, False, limits)

    def has(self, image: str) -> bool:
        """All tasks run it, at the service's own pace, and nothing goes on."""
        is_own = self.now.spec["UpdateConfig"] == service().spec["UpdateConfig"] and not update.has_our_pace(
            self.now.spec
        )
        runs = all(task.template == self.now.template and task.state == "running" for task in self.current)
        return is_own and runs and self.now.is_at_rest and container(dict(self.now.spec))["Image"] == image


OLD, NEW = "ocr/worker:1", "ocr/worker:2"


def begun(folder: Path) -> Manager:
    manager = Manager()
    stacks.keep(folder, {WORKER: manager.now})
    return manager


def questions(folder: Path) -> int:
    """How many a whole update asks."""
    manager = begun(folder)
    manager.run(BACK, folder)
    assert manager.has(OLD)
    return manager.calls


def each(folder: Path) -> Iterator[tuple[int, Manager]]:
    for number in range(1, questions(folder) + 1):
        yield number, begun(folder)


def die() -> None:
    raise Killed


@pytest.mark.parametrize("then", ["resume", "undo"])
def test_killed_at_every_question(tmp_path: Path, then: str) -> None:
    for number, manager in each(tmp_path):
        manager.at[number] = die
        with pytest.raises(Killed):
            manager.run(BACK, tmp_path)
        if then == "resume":
            manager.run(BACK, tmp_path)
            assert manager.has(OLD), number
        manager.run(UNDO, tmp_path)
        assert manager.has(NEW), number


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_node_lost_at_every_question(tmp_path: Path, is_killed: bool) -> None:
    """The rest is rolled back in the same run; with the node back, nothing is left to do, or it is done then."""
    for number, manager in each(tmp_path):
        manager.at[number] = manager.loses_a_node
        if is_killed:
            manager.at[number + 2] = die
            with pytest.raises(Killed):
                manager.run(BACK, tmp_path)
                die()  # it had ended before
            manager.at = {}
        else:
            manager.run(BACK, tmp_path)
            assert manager.has(OLD), number
        manager.gets_it_back()
        manager.run(BACK, tmp_path)
        assert manager.has(OLD), number
        manager.run(UNDO, tmp_path)
        assert manager.has(NEW), number


def test_a_node_that_is_lost_and_comes_back_at_every_pair_of_questions(tmp_path: Path) -> None:
    most = questions(tmp_path)
    for lost in range(1, most + 1):
        for back in range(lost + 1, most + 6):
            manager = begun(tmp_path)
            manager.at = {lost: manager.loses_a_node, back: manager.gets_it_back}
            manager.run(BACK, tmp_path)
            manager.at = {}
            assert manager.has(OLD), (lost, back)
            manager.run(UNDO, tmp_path)
            assert manager.has(NEW), (lost, back)
