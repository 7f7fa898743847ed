"""How to take each reading by hand: the runbook's commands, corrected. Pure; this tool runs none of them.

Corrections to the runbook: only since the boundary, each replica by its own name, with the pattern that separates the
change from the old code's own noise, and without a password in the command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from rollback_gate.change.reading import CodeReading
from rollback_gate.evidence import boundary
from rollback_gate.evidence.readings import Readings
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

Command = dict[str, str]


def commands(readings: Readings, profile: Profile) -> list[Command]:
    """One row per command: its check, the command, and the healthy result."""
    rows = readings.consuming or readings.replicas
    found = [(r.before, r.boundary) for r in rows if isinstance(r.before, Replica) and r.boundary]
    since = boundary.of_documents(at for _, at in found)
    return [
        *_new_behaviour(found, readings, profile),
        *_worker(profile),
        *_processing(found, profile),
        *_completeness(since, profile),
    ]


def _new_behaviour(found: Iterable[tuple[Replica, Instant]], readings: Readings, profile: Profile) -> Iterable[Command]:
    digests = readings.source_digests if isinstance(readings.source_digests, dict) else {}
    keeping = {r.before.id for r in readings.replicas if isinstance(r.before, Replica) and _keeps_modules(r.code)}
    pattern = "|".join(f"(?:{line.pattern.pattern})" for line in profile.logs.new)
    for replica, since in found:
        name, docker = shlex.quote(replica.name), _docker(replica, profile)
        if pattern:
            yield _row("new_behaviour", f"{docker} {_log(name, since)} | grep -cP {shlex.quote(pattern)}", "0")
        for path, digest in digests.items():
            inside = shlex.quote(profile.inside(replica.service, path))
            yield _row("new_behaviour", f"{docker} exec {name} sha256sum {inside}", digest)
        gone = " ".join(shlex.quote(profile.inside(replica.service, path)) for path in profile.removed())
        if gone and replica.id not in keeping:
            yield _row("new_behaviour", f"{docker} exec {name} ls -d {gone}", "No such file or directory, for each")


def _keeps_modules(code: CodeReading | Unmeasured) -> bool:
    """True after a partial rollback: the new modules are present, and must not be used."""
    return isinstance(code, CodeReading) and code.kept is not None


def _worker(profile: Profile) -> Iterable[Command]:
    deployment = profile.deployment
    if deployment.platform == "swarm":
        service = shlex.quote(f"{deployment.project}_{profile.consumer}")
        healthy = f"{profile.replicas} tasks, each running as it should since the update"
        yield _row("worker_running", f"docker service ps --filter desired-state=running {service}", healthy)
        return
    labels = (
        f"com.docker.compose.project={deployment.project}",
        f"com.docker.compose.service={profile.consumer}",
    )
    filters = " ".join(f"--filter {shlex.quote(f'label={label}')}" for label in labels)
    form = "{{.Name}} {{.State.Status}} restarts={{.RestartCount}} since={{.State.StartedAt}}"
    yield _row(
        "worker_running",
        f"docker inspect -f {shlex.quote(form)} $(docker ps -aq {filters})",
        f"{profile.replicas} lines, each running with restarts=0; the same a minute later",
    )


def _processing(found: Iterable[tuple[Replica, Instant]], profile: Profile) -> Iterable[Command]:
    if profile.queue is None:
        return
    command, healthy = profile.queue.by_hand
    yield _row("processing", command, healthy)
    pattern = "|".join(f"(?:{one.pattern})" for one in (profile.logs.picked_up, profile.logs.completed) if one)
    for replica, since in found:
        log = f"{_docker(replica, profile)} {_log(shlex.quote(replica.name), since)}"
        yield _row(
            "processing",
            f"{log} | grep -P {shlex.quote(pattern)} | tail",
            "each document that is picked up is completed",
        )


def _completeness(since: Instant | None, profile: Profile) -> Iterable[Command]:
    if since is None or profile.completeness is None or profile.database is None:
        return
    low, high = profile.completeness.low, profile.completeness.high
    yield _row(
        "completeness",
        profile.database.by_hand(str(since)),
        f"it asks for the password; mean between {low:.3f} and {high:.3f}",
    )


def _docker(replica: Replica, profile: Profile) -> str:
    """The docker command, at the engine that runs the replica."""
    if not replica.node:
        return "docker"
    reached = profile.nodes.get(replica.node)
    if reached and reached.context:
        return f"docker --context {shlex.quote(reached.context)}"
    return f"docker -H {shlex.quote(reached.address if reached else f'ssh://{replica.node}')}"


def _log(name: str, since: Instant) -> str:
    return f"logs --since {since} {name} 2>&1"


def _row(check: str, command: str, healthy: str) -> Command:
    return {"check": check, "command": command, "healthy": healthy}
