"""Sabotage: the worker does not run, or not for long."""

from __future__ import annotations

import os
import signal

from lab.catalogue import plant
from lab.catalogue.entry import CODE, IMPATIENT, INCONCLUSIVE, NO_GO, RUNNING, Entry, Judged, Start, meanwhile, verify
from lab.operator import Operator
from lab.reference import COORDINATOR, WORKER, Lab


def crash_loop(lab: Lab) -> None:
    plant.before(lab, plant.CONFIG, "raise ImportError('planted')")
    plant.restart(lab, wait=False)
    plant.wait_until(lab, "the crash loop", lambda found: all(c.attrs["RestartCount"] > 1 for c in found))


def restarting(lab: Lab) -> None:
    """The process exits at once, without output, and the engine restarts it at growing intervals."""
    plant.before(lab, plant.CONFIG, "import os; os._exit(3)")
    plant.restart(lab, wait=False)
    plant.wait_until(lab, "the state restarting", lambda found: any(c.status == "restarting" for c in found))


def import_error(lab: Lab) -> None:
    """Deploy Phase 1 as it was committed."""
    lab.deploy("phase1-broken")


def exits_after_20_s(lab: Lab) -> None:
    plant.before(lab, plant.CONFIG, "import os, threading; threading.Timer(20, os._exit, (3,)).start()")
    plant.restart(lab)


def unhealthy(lab: Lab) -> None:
    """The health check imports a module that is now broken; the process itself continues."""
    for container in lab.containers(WORKER):
        container.exec_run(["sh", "-c", "echo 'raise ImportError' > /app/pymongo.py"])
    plant.wait_until(
        lab, "the health checks", lambda found: all(c.attrs["State"]["Health"]["Status"] == "unhealthy" for c in found)
    )


def never_connects(lab: Lab) -> None:
    plant.change(
        lab,
        plant.CONSUMER,
        "        while True:\n            try:\n                self._session(handle)",
        "        while True:\n            try:\n                time.sleep(10**6)",
    )
    plant.restart(lab, wait=False)
    plant.wait_until(lab, "the processes", lambda found: all(b"starting to consume" in c.logs(tail=5) for c in found))


def ill_since_the_change(operator: Operator, entry: Entry) -> Judged:
    """The health check's result before the change is unknown."""
    operator.lab.deploy("phase1")
    plant.health_check(operator.lab, "exit 1")
    ended = operator.rollback()
    if ended.status:
        return Judged(f"rollback exited {ended.status}", ended.output, {})
    return verify(operator, entry)


def out_of_memory(lab: Lab) -> None:
    """The kernel kills the process repeatedly."""
    for container in lab.containers(WORKER):
        container.update(mem_limit="96m", memswap_limit="96m")
    plant.before(lab, plant.CONFIG, "import threading; threading.Timer(1, lambda: b'x' * (512 << 20)).start()")
    plant.restart(lab, wait=False)
    plant.wait_until(lab, "the kernel", lambda found: all(c.attrs["RestartCount"] > 0 for c in found))


def crash_once(lab: Lab) -> None:
    """Kill the process from outside, as the kernel would; the engine restarts it."""
    os.kill(lab.containers(WORKER)[0].attrs["State"]["Pid"], signal.SIGKILL)


ENTRIES = (
    Entry(
        "crash-loop",
        "running",
        "the worker cannot import its code, in a loop",
        NO_GO,
        RUNNING,
        "of 2 replicas run",
        crash_loop,
        settings=IMPATIENT,
    ),
    Entry(
        "restarting",
        "running",
        "the process ends at once, without a word",
        NO_GO,
        RUNNING,
        "of 2 replicas run",
        restarting,
        settings=IMPATIENT,
    ),
    Entry(
        "import-error-at-start",
        "running",
        "the Phase 1 that cannot start is deployed",
        NO_GO,
        RUNNING,
        "replicas run",
        import_error,
        settings=IMPATIENT,
    ),
    Entry(
        "exits-after-20-s",
        "running",
        "it works, and ends after 20 seconds",
        NO_GO,
        RUNNING,
        "restarted",
        exits_after_20_s,
        settings=("limits.soak_s=24",),
    ),
    Entry("unhealthy", "running", "its health check fails", NO_GO, RUNNING, "running and unhealthy", unhealthy),
    Entry(
        "unhealthy-dependent",
        "running",
        "the coordinator's health check fails",
        NO_GO,
        RUNNING,
        "running and unhealthy",
        lambda lab: plant.health_check(lab, "exit 1"),
    ),
    Entry(
        "unhealthy-before-the-rollback",
        "running",
        "the coordinator's health check failed before the rollback too",
        INCONCLUSIVE,
        RUNNING,
        "the change may have done it",
        judge=ill_since_the_change,
    ),
    Entry(
        "stopped",
        "running",
        "one replica is stopped",
        NO_GO,
        RUNNING,
        "1 of 2 replicas run",
        lambda lab: lab.containers(WORKER)[0].stop(timeout=1),
        settings=IMPATIENT,
    ),
    Entry(
        "stopped-single",
        "running",
        "the only replica is stopped",
        NO_GO,
        RUNNING,
        "0 of 1 replicas run",
        lambda lab: lab.containers(WORKER)[0].stop(timeout=1),
        ("single",),
        settings=IMPATIENT,
    ),
    Entry(
        "paused",
        "running",
        "one replica is paused",
        NO_GO,
        RUNNING,
        "1 of 2 replicas run",
        lambda lab: lab.containers(WORKER)[0].pause(),
        settings=IMPATIENT,
    ),
    Entry(
        "frozen",
        "running",
        "a signal has stopped the process of one replica: to the engine it runs",
        NO_GO,
        RUNNING,
        "its process is stopped",
        lambda lab: lab.containers(WORKER)[0].kill(signal="STOP"),
        settings=IMPATIENT,
    ),
    Entry(
        "frozen-coordinator",
        "running",
        "the same of the coordinator",
        NO_GO,
        RUNNING,
        "its process is stopped",
        lambda lab: lab.containers(COORDINATOR)[0].kill(signal="STOP"),
        settings=IMPATIENT,
    ),
    Entry(
        "missing",
        "running",
        "one replica is gone",
        NO_GO,
        RUNNING,
        "1 of 2 replicas run",
        lambda lab: lab.containers(WORKER)[0].remove(force=True),
        ("bind", "build", "image"),
        settings=IMPATIENT,
    ),
    Entry(
        "coordinator-down",
        "running",
        "the coordinator is stopped",
        NO_GO,
        RUNNING,
        "is exited",
        lambda lab: lab.containers(COORDINATOR)[0].stop(timeout=1),
    ),
    Entry(
        "coordinator-not-restarted",
        "running",
        "the coordinator still has Phase 1 in memory, and nothing tells what was there when it began",
        INCONCLUSIVE,
        CODE,
        "restart it to be sure",
        plant.all_of(lambda lab: plant.restart(lab, *lab.containers(COORDINATOR)), plant.old_files, plant.restart),
        start=Start.CHANGE,
    ),
    Entry(
        "never-connects",
        "running",
        "it runs, and is no consumer of the queue",
        NO_GO,
        RUNNING,
        "has never connected",
        never_connects,
        settings=IMPATIENT,
    ),
    Entry(
        "out-of-memory",
        "running",
        "the kernel kills it",
        NO_GO,
        RUNNING,
        "restarted",
        out_of_memory,
        settings=("limits.soak_s=6", *IMPATIENT),
    ),
    Entry(
        "errors-in-the-log",
        "running",
        "more error lines than the limit",
        NO_GO,
        RUNNING,
        "error lines since the boundary",
        lambda lab: plant.log(lab, b"ERROR:enrichment_service.workers:unexpected trouble\n", times=9),
    ),
    Entry(
        "restarted-once-later",
        "running",
        "it crashed once during the soak",
        NO_GO,
        RUNNING,
        "restarted",
        settings=("limits.soak_s=8",),
        judge=meanwhile("soak: watching", crash_once),
    ),
    Entry(
        "recreated-meanwhile",
        "running",
        "containers are recreated while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "while the checks ran",
        settings=("limits.soak_s=8",),
        judge=meanwhile("soak: watching", lambda lab: lab.recreate(WORKER)),
    ),
    Entry(
        "restarted-by-hand-meanwhile",
        "running",
        "somebody restarts one while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "by someone while the checks ran",
        settings=("limits.soak_s=8",),
        judge=meanwhile("soak: watching", lambda lab: plant.restart(lab, lab.containers(WORKER)[0])),
    ),
    Entry(
        "scaled-meanwhile",
        "running",
        "a third replica turns up while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "containers changed while the checks ran",
        settings=("limits.soak_s=8",),
        judge=meanwhile("soak: watching", lambda lab: plant.scale(lab, 3)),
    ),
    Entry(
        "more-than-expected",
        "running",
        "three replicas where two are normal",
        INCONCLUSIVE,
        RUNNING,
        "3 replicas exist",
        plant.all_of(lambda lab: plant.scale(lab, 3), Lab.wait_consuming),
    ),
)
