"""`invoke bench`: both sides in one run, on this machine, as ratios. No test depends on these times."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from docker.models.containers import Container

from lab.images import LabError
from lab.reference import COORDINATOR, WORKER, Lab
from lab.stack import Stack
from rollback_gate.instant import Instant

ROUNDS = 5
PROJECT = "rollback-gate-bench"


VERIFY_SOAK_S = 1
FEW, MANY = 2, 40
MOST_ROUNDS = 20


def main(root: Path) -> None:
    """Print medians and ratios: interruption against a bare restart and the runbook's script."""
    bare = [gap for gap, _ in _rollbacks("before", lambda lab: _restart(lab.containers(WORKER)[0]))]
    measured = _rollbacks("phase1", partial(_rollback, root))
    ours = [gap for gap, _ in measured]
    by_script = _rollbacks("phase1", _by_script)
    print("\ninvoke rollback against the runbook's script, variant single")
    _compare("interruption", [gap for gap, _ in by_script], ours)
    _compare("total time", [total for _, total in by_script], [total for _, total in measured])
    print("\ninterruption, variant single, from the old process's end to the new one's start (engine's clock)")
    print(f"  bare docker restart     median {statistics.median(bare):.3f} s of {listed(bare)}")
    print(f"  invoke rollback         median {statistics.median(ours):.3f} s of {listed(ours)}")
    print(f"  ratio                   {statistics.median(ours) / statistics.median(bare):.2f} (goal: 1.2)")


def own(root: Path) -> None:
    """Print verify's own time with few and with many replicas, in one run."""
    lab = Lab.up("bind", "before", PROJECT)
    try:
        without_health_checks(lab)
        scale(lab, FEW)
        few = verifies(root, lab, FEW)
        scale(lab, MANY)
        many = verifies(root, lab, MANY)
    finally:
        lab.down()
    first, second = statistics.median(few), statistics.median(many)
    print("verify, variant bind, without the soak and without test documents")
    print(f"  {FEW} replicas              median {first:.2f} s of {listed(few)} (goal: 1.2)")
    print(f"  {MANY} replicas             median {second:.2f} s of {listed(many)}")
    print(f"  ratio                   {second / first:.2f} (goal: 3)")


def _compare(what: str, theirs: list[float], ours: list[float]) -> None:
    first, second = statistics.median(theirs), statistics.median(ours)
    print(f"  {what:13} script {first:.1f} s, ours {second:.1f} s, ratio {second / first:.2f}")


def _rollbacks(release: str, act: Callable[[Lab], None]) -> list[tuple[float, float]]:
    """For each round, on a new lab: gap between the worker's processes and total time, in seconds."""
    rows = []
    for _ in range(ROUNDS):
        lab = Lab.up("single", release, PROJECT)
        try:
            began = time.monotonic()
            gap = _gap(lab, partial(act, lab))
            rows.append((gap, time.monotonic() - began))
        finally:
            lab.down()
    return rows


def _by_script(lab: Lab) -> None:
    """Run the runbook's script with this environment's Compose, which our rollback uses too."""
    name = str(lab.containers(WORKER)[0].name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = subprocess.DEVNULL
    script = ["bash", str(Path(__file__).parent / "runbook.sh"), name]
    subprocess.run(script, cwd=lab.directory, env={**os.environ, "PATH": path}, stdout=quiet, stderr=quiet, check=True)


def _restart(container: Container) -> None:
    container.restart(timeout=1)


def scale(lab: Lab, replicas: int) -> None:
    """So many workers, which consume."""
    lab.compose("up", "-d", "--no-deps", "--no-build", "--no-recreate", "--scale", f"{WORKER}={replicas}", WORKER)
    lab.wait_consuming()


def verifies(root: Path, lab: Lab, replicas: int) -> list[float]:
    """Wall time less the soak, in seconds. Each replica finishes a document first, so no test document is sent.

    The lab has no rollback run and is judged as found.
    """
    _work(lab, replicas)
    given = (
        f"limits.soak_s={VERIFY_SOAK_S}",
        f"services.{WORKER}.replicas={replicas}",
        "completeness.high=0.55",  # a busy lab scores above its usual band
    )
    settings = [part for setting in given for part in ("--set", setting)]
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        if status := invoke(root, lab, "verify", *settings):
            raise LabError(f"verify of {replicas} replicas ended with {status}: nothing was measured")
        times.append(time.monotonic() - began - VERIFY_SOAK_S)
    return times


def without_health_checks(lab: Lab) -> None:
    """The health checks of 40 workers, every 3 s, would use both cores and distort the measurement."""
    path = lab.directory / "docker-compose.yml"
    tree = yaml.safe_load(path.read_text())
    for service in (WORKER, COORDINATOR):
        tree["services"][service]["healthcheck"] = {"disable": True}
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    lab.recreate(WORKER, COORDINATOR)


def _work(lab: Lab, replicas: int) -> None:
    """Send documents until each replica has finished one: the queue chooses which replica gets how many."""
    for _ in range(MOST_ROUNDS):
        lab.load(replicas, wait_s=300)
        if all(b"completed successfully" in container.logs() for container in lab.containers(WORKER)):
            return
    raise LabError(f"of {replicas} replicas some have finished nothing after {MOST_ROUNDS} rounds of documents")


def _rollback(root: Path, lab: Lab) -> None:
    if invoke(root, lab, "rollback"):
        raise LabError("the rollback failed: nothing was measured")


def invoke(root: Path, lab: Lab, *arguments: str) -> int:
    state = str(lab.directory / "state")  # removed with the lab: the next lab of this name must not see its runs
    own = {"ROLLBACK_GATE_PROFILE": str(lab.profile), "ROLLBACK_GATE_STATE_DIRECTORY": state}
    there = {"DOCKER_HOST": lab.nodes[0].host} if isinstance(lab, Stack) else {}
    environment = {**os.environ, **own, **there}
    command = [sys.executable, "-m", "invoke", "--search-root", str(root), *arguments]
    quiet = subprocess.DEVNULL
    return subprocess.run(command, env=environment, check=False, stdout=quiet, stderr=quiet).returncode


def _gap(lab: Lab, act: Callable[[], None]) -> float:
    """Seconds from the worker's last `die` event to its next start."""
    began = time.time()
    act()
    worker = lab.containers(WORKER)[0]
    started = Instant.parse(worker.attrs["State"]["StartedAt"])
    events = lab.engine.events(since=int(began), until=int(time.time()) + 1, decode=True, filters={"event": "die"})
    died = [Instant(int(e["timeNano"])) for e in events if _is_worker(e, lab)]
    return started.seconds_since(max(at for at in died if at < started))


def _is_worker(event: Any, lab: Lab) -> bool:
    labels = event["Actor"]["Attributes"]
    wanted = (lab.project, WORKER)
    return (labels.get("com.docker.compose.project"), labels.get("com.docker.compose.service")) == wanted


def listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in sorted(values))
