"""What each kind of step does. Every function says what it did, or raises; what is already done is not done again."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rollback_gate.commands import Runner
from rollback_gate.deployment.engine import Engine, answering
from rollback_gate.deployment.replica import Replica, parse_inspect
from rollback_gate.errors import RollbackFailed, RollbackGateError
from rollback_gate.evidence import logs
from rollback_gate.evidence.log_lines import summarize
from rollback_gate.instant import Instant
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import files
from rollback_gate.rollback.interruption import LastConsumed
from rollback_gate.rollback.plan import Kind, Situation, Step
from rollback_gate.rollback.store import Run

SAVED_LOG_BYTES = 5 << 20
_POLL_S = 0.1


@dataclass
class Context:
    """What steps work with. `not_consuming_since`, `consuming_at`, `stopped`: by container id, on the way."""

    situation: Situation
    engine: Engine
    runner: Runner
    run: Run
    redactor: Redactor
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    not_consuming_since: dict[str, Instant] = field(default_factory=dict)
    consuming_at: dict[str, Instant] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    journaled: set[str] = field(default_factory=set)


def perform(step: Step, context: Context) -> str:
    """Do one step; what it did, in words. Raises RollbackGateError or OSError."""
    return _HOW[step.kind](step, context)


def _save_evidence(step: Step, context: Context) -> str:
    """What cannot be saved is said, and stops nothing: a worker that does harm must not run on for its log's sake."""
    context.run.saved.mkdir(mode=0o700, exist_ok=True)

    def save(container_id: str) -> str:
        try:
            return _save_container(container_id, context)
        except RollbackGateError as error:
            return f"{container_id[:12]} not saved: {error.message}"

    with ThreadPoolExecutor(max_workers=4) as pool:
        return "; ".join(pool.map(save, step.targets))


def _save_container(container_id: str, context: Context) -> str:
    """Log (its end, with digest and size of the whole) and those parts of inspect that hold no secrets."""
    with answering(f"container {container_id[:12]}"):
        attrs = context.engine.client.api.inspect_container(container_id)
    replica = parse_inspect(attrs)
    last = LastConsumed(context.situation.profile.logs, replica)
    sha, size, kept = hashlib.sha256(), 0, deque[str]()
    kept_size = 0
    for line in [] if replica.log_driver == "none" else logs.lines(context.engine, container_id, None):
        last.feed(line)
        raw = f"{line}\n".encode()
        sha.update(raw)
        size += len(raw)
        kept.append(context.redactor.text(line))
        kept_size += len(raw)
        while kept_size > SAVED_LOG_BYTES and len(kept) > 1:
            kept_size -= len(kept.popleft().encode()) + 1
    context.not_consuming_since[container_id] = last.since
    saved = {key: attrs.get(key) for key in ("Id", "Name", "Created", "Image", "RestartCount", "State", "Mounts")}
    summary = {"log_sha256": sha.hexdigest(), "log_size_bytes": size, "inspect": saved}
    files.write_text(context.run.saved / f"{replica.name}.log", "".join(f"{line}\n" for line in kept))
    files.write_text(context.run.saved / f"{replica.name}.json", context.redactor.text(json.dumps(summary, indent=1)))
    return f"{replica.name}: {size} bytes of log"


def _restore(step: Step, context: Context) -> str:
    """Atomic; the file in place goes to the quarantine first (a copy: the path is never empty)."""
    source = next(s for s in context.situation.restore if s.path == step.targets[0])
    path = context.situation.directory / source.path
    kept = context.run.quarantine / source.path
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and not kept.exists():
        files.replace_file(kept, path.read_bytes())
    files.replace_file(path, source.data)
    return f"{source.path} is now sha256 {source.digest[:16]} ({len(source.data)} bytes)"


def _quarantine(step: Step, context: Context) -> str:
    path = context.situation.directory / step.targets[0]
    target = context.run.quarantine / step.targets[0]
    if not path.exists() and not path.is_symlink():
        return f"{step.targets[0]} is already gone"
    files.move(path, target)
    return f"moved to {target.relative_to(context.run.folder)} in the run's folder"


def _build(step: Step, context: Context) -> str:
    return _compose(step, context, context.situation.profile.limits.build_s)


def _recreate(step: Step, context: Context) -> str:
    if step.id == "recreate:worker":
        context.stopped.update(replica.id for replica in context.situation.replicas)
    return _compose(step, context, context.situation.profile.limits.start_s)


def _compose(step: Step, context: Context, limit_s: float) -> str:
    command = tuple(shlex.split(step.command))
    context.runner(command, cwd=context.situation.directory, timeout_s=limit_s)
    return f"{' '.join(step.targets)}: done by Compose {context.situation.compose.version}"


def _restart(step: Step, context: Context) -> str:
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda container_id: _restart_one(container_id, context), step.targets))
    return f"{len(step.targets)} restarted"


def _restart_one(container_id: str, context: Context) -> None:
    """With the grace that the container was made with: docker's own default would be 10 s for all."""
    replica = context.engine.inspect(container_id)
    if replica is None:
        raise RollbackFailed(
            f"container {container_id[:12]} no longer exists", "look with docker ps -a, then roll back again"
        )
    api = context.engine.client.api
    context.stopped.add(container_id)
    with answering(f"restart of {replica.name}"):
        if replica.paused:
            api.unpause(container_id)
        api.restart(container_id, timeout=replica.stop_timeout_s)


def _wait_consuming(step: Step, context: Context) -> str:
    """Each replica has said, since its own start, that it consumes and is connected."""
    deadline = context.clock() + context.situation.profile.limits.start_s
    while True:
        replicas = _replicas(step, context)
        waiting = [text for replica in replicas if (text := _not_yet(replica, context))]
        if replicas and not waiting:
            return f"{len(replicas)} consume"
        if context.clock() > deadline:
            said = "; ".join(waiting) or "there is no container"
            limit_s = context.situation.profile.limits.start_s
            raise RollbackFailed(f"the worker does not come up within {limit_s:.0f} s: {said}",
                                 "read its log (docker logs), mend the cause, and roll back again")  # fmt: skip
        context.sleep(_POLL_S)


def _replicas(step: Step, context: Context) -> tuple[Replica, ...]:
    deployment = context.situation.profile.deployment
    if step.targets == (deployment.worker,):
        found = context.engine.containers(deployment.compose_project, deployment.worker)
        return found if len(found) >= deployment.replicas else ()
    inspected = (context.engine.inspect(container_id) for container_id in step.targets)
    return tuple(replica for replica in inspected if replica is not None)


def _not_yet(replica: Replica, context: Context) -> str:
    """ "" once it consumes; else what it does instead, with the last error of its start."""
    if replica.started_at is None:
        return f"{replica.name} is {replica.condition}"
    if replica.log_driver == "none":  # its state is all there is to see; verify judges the rest
        return "" if replica.is_running else f"{replica.name} is {replica.condition}"
    forms = context.situation.profile.logs
    summary = summarize(logs.lines(context.engine, replica.id, replica.started_at), forms, replica.started_at)
    if replica.is_running and summary.consuming_at and summary.connected_at:
        context.consuming_at[replica.id] = summary.consuming_at
        return ""
    said = f"; it logged: {summary.startup_errors[-1]}" if summary.startup_errors else ""
    state = "has not logged that it consumes" if replica.is_running else f"is {replica.condition}"
    return f"{replica.name} {state}{said}"


def _wait_running(step: Step, context: Context) -> str:
    """A dependent has no line that says it works: it must run, and still be the same process a moment later."""
    deadline = context.clock() + context.situation.profile.limits.start_s
    deployment = context.situation.profile.deployment
    while True:
        first = context.engine.containers(deployment.compose_project, step.targets[0])
        context.sleep(0.5)
        second = context.engine.containers(deployment.compose_project, step.targets[0])
        same = [(r.id, r.started_at, r.restart_count) for r in first] == [
            (r.id, r.started_at, r.restart_count) for r in second
        ]
        if second and same and all(r.is_running for r in second):
            return f"{step.targets[0]} runs"
        if context.clock() > deadline:
            said = "; ".join(f"{r.name} is {r.condition}" for r in second) or "there is no container"
            raise RollbackFailed(
                f"{step.targets[0]} does not come up: {said}", "read its log (docker logs), then roll back again"
            )
        context.sleep(_POLL_S)


def first_deaths(engine: Engine, container_ids: Sequence[str], since: Instant, until: Instant) -> dict[str, Instant]:
    """When each of these containers ended first in this time, where the engine still knows. Raises Unreachable."""
    if not container_ids:
        return {}
    with answering("its events"):
        filters = {"event": "die", "container": list(container_ids)}
        stream = engine.client.api.events(
            since=int(since.epoch_s), until=int(until.epoch_s) + 1, filters=filters, decode=True
        )
        found = [(event["Actor"]["ID"], Instant(int(event["timeNano"]))) for event in stream]
    first: dict[str, Instant] = {}
    for container_id, at in sorted(found, key=lambda row: row[1]):
        if at >= since:
            first.setdefault(container_id, at)
    return first


_HOW: Mapping[Kind, Callable[[Step, Context], str]] = {
    Kind.SAVE_EVIDENCE: _save_evidence,
    Kind.RESTORE: _restore,
    Kind.QUARANTINE: _quarantine,
    Kind.BUILD: _build,
    Kind.RESTART: _restart,
    Kind.RECREATE: _recreate,
    Kind.WAIT_CONSUMING: _wait_consuming,
    Kind.WAIT_RUNNING: _wait_running,
}
