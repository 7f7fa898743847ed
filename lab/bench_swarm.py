"""`invoke bench --only swarm`: a stack beside docker's own command, and beside one engine; in one run, as ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import bench
from lab.images import LabError
from lab.reference import CONSUMING, WORKER, Lab
from lab.stack import Stack
from rollback_gate.instant import Instant

PROJECT, MANY = "rollback-gate-bench", 30


def main(root: Path) -> None:
    """Print medians and ratios: interruption against `docker service update --force`, verify against one engine."""
    with _stack() as stack:
        bare = [_interruption(stack, 1, _forced) for _ in range(bench.ROUNDS)]
        ours = [_interruption(stack, 1, lambda lab: _rolled_back(root, lab, 1)) for _ in range(bench.ROUNDS)]
        three = [_interruption(stack, 3, lambda lab: _rolled_back(root, lab, 3)) for _ in range(bench.ROUNDS)]
    print("\ninterruption of a stack: how long no worker's process ran, by the engines' clocks")
    _row("docker service update --force, 1 replica", bare)
    _row("invoke rollback, 1 replica", ours)
    print(f"  ratio {statistics.median(ours) / statistics.median(bare):.2f} (goal: 1.2)")
    _row("invoke rollback, 3 replicas (goal: 0)", three)
    many(root)


def many(root: Path) -> None:
    """Print verify's time with many replicas: on three nodes, and on one engine."""
    lab = Lab.up("bind", "before", PROJECT)
    try:
        bench.without_health_checks(lab)
        bench.scale(lab, MANY)
        one = bench.verifies(root, lab, MANY)
    finally:
        lab.down()
    with _stack() as stack:
        stack.redefine(_many_without_health_checks)
        stack.wait(lambda: _all_consume(stack), f"{MANY} tasks", 180)
        three = bench.verifies(root, stack, MANY)
    print(f"\nverify of {MANY} replicas, without the soak and without test documents")
    _row("on one engine", one)
    _row("on three nodes", three)
    print(f"  ratio {statistics.median(three) / statistics.median(one):.2f} (goal: 2)")


def _row(what: str, values: list[float]) -> None:
    print(f"  {what:42} median {statistics.median(values):.3f} s of {bench.listed(values)}")


@contextmanager
def _stack() -> Iterator[Stack]:
    stack = Stack.begun("image", "before", PROJECT)
    try:
        yield stack
    finally:
        stack.down()


def _name(stack: Stack) -> str:
    return f"{stack.project}_{WORKER}"


def _many_without_health_checks(worker: Any) -> None:
    worker["healthcheck"] = {"disable": True}
    worker["deploy"]["replicas"] = MANY
    worker["deploy"]["update_config"]["parallelism"] = 0


def _all_consume(stack: Stack) -> bool:
    found = stack.containers(WORKER)
    return len(found) == MANY and all(CONSUMING in one.logs() for one in found)


def _interruption(stack: Stack, replicas: int, act: Callable[[Stack], None]) -> float:
    """Seconds, from the change to the old code, with so many replicas."""
    stack.heal("phase1")
    stack.ask_manager("service", "scale", f"{_name(stack)}={replicas}")
    stack.wait(lambda: len(stack.containers(WORKER)) == replicas, f"{replicas} workers")
    began = Instant(time.time_ns())
    act(stack)
    stack.wait_settled()
    return gap(row for row in _ran(stack) if row[1] is None or row[1] > began)  # not of what came before


def _forced(stack: Stack) -> None:
    stack.ask_manager("service", "update", "--force", "-q", _name(stack))


def _rolled_back(root: Path, stack: Stack, replicas: int) -> None:
    setting = f"services.{WORKER}.replicas={replicas}"
    if bench.invoke(root, stack, "rollback", "--reason", "bench", "--despite-assessment", "--set", setting):
        raise LabError("the rollback failed: nothing was measured")


def _ran(stack: Stack) -> Iterator[tuple[Instant, Instant | None]]:
    """When each worker of the stack ran, for those that are kept; None: it still does."""
    wanted: dict[str, Any] = {"label": f"com.docker.swarm.service.name={_name(stack)}"}
    for client in stack.clients.values():
        for container in client.containers.list(all=True, filters=wanted):
            state = container.attrs["State"]
            yield Instant.parse(state["StartedAt"]), None if state["Running"] else Instant.parse(state["FinishedAt"])


def gap(rows: Iterable[tuple[Instant, Instant | None]]) -> float:
    """The longest time in which none ran, between the first start and now; 0 for none."""
    longest, until = 0.0, None
    for start, end in sorted(rows, key=lambda row: row[0]):
        if until is not None and start > until:
            longest = max(longest, start.seconds_since(until))
        if end is None:
            return longest
        until = end if until is None else max(until, end)
    return longest
