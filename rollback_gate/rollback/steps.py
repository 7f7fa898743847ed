"""What each kind of step does. Every function returns what it did, or raises; finished work is not repeated."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import NotFound

from rollback_gate.change import settings
from rollback_gate.change.content import SETTING, Source
from rollback_gate.change.goal import Direction
from rollback_gate.errors import RollbackFailed, Unreachable, Unreadable
from rollback_gate.evidence import logs, readiness
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.keeping import RunnerFor
from rollback_gate.evidence.log_lines import summarize
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engine import answering
from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica, left_by_an_interrupted_recreate
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.redaction import Redactor
from rollback_gate.regular import content_of
from rollback_gate.rollback import files, moving, stacks
from rollback_gate.rollback.node_views import NodeViews
from rollback_gate.rollback.ownership import refuse_outside
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.rollback.saving import save_all
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.store import Run

_POLL_S = 0.1


@dataclass
class Context:
    """What steps work with. `not_consuming_since`, `consuming_at`, `stopped`, `died_at`: by container id.

    `up`: containers of services that do not consume, once a step has waited for them. `runner_for`: a runner with the
    variables of what must stay.
    """

    situation: Situation
    engines: Engines
    runner: Runner
    run: Run
    redactor: Redactor
    documents: Documents | Unmeasured
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    runner_for: RunnerFor
    not_consuming_since: dict[str, Instant] = field(default_factory=dict)
    consuming_at: dict[str, Instant] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    up: set[str] = field(default_factory=set)
    died_at: dict[str, Instant] = field(default_factory=dict)
    journaled: set[str] = field(default_factory=set)

    def unseen(self, service: str) -> int:
        """How many of its containers may run where nobody could be asked."""
        return len(self.engines.unseen(self.situation.profile.deployment.project, service))

    @property
    def deployed(self) -> Deployed:
        return Deployed(self.situation.profile, self.engines)


def perform(step: Step, context: Context) -> str:
    """Do one step; returns what it did, in words. Raises RollbackGateError or OSError."""
    return _HOW[step.kind](step, context)


def _save_evidence(step: Step, context: Context) -> str:
    saved = save_all(step.targets, context.situation, context.engines, context.run, context.redactor, context.documents)
    context.not_consuming_since.update(saved.not_consuming_since)
    return saved.says


def _restore(step: Step, context: Context) -> str:
    """Atomic; the present file is copied to the quarantine first, so that the path is never empty."""
    source = next(s for s in context.situation.to_write if s.path == step.targets[0])
    path = _place(context, source.path)
    files.sweep(path)
    if path.exists():
        _keep_copy(path, source, context)
    if source.kind == SETTING:  # from the file as it is now: what others have written meanwhile stays
        source = settings.old_file(context.situation.profile, context.situation.directory, source.path)
    is_exact = source.kind == "quarantine"
    files.replace_file(path, source.data, _model(source, context), is_exact, source.is_executable)
    return f"{source.path} is now sha256 {source.digest[:16]} ({len(source.data)} bytes)"


def _place(context: Context, relative: str) -> Path:
    """Checked again at each step: a parent folder may have become a link since preflight. Raises Refused."""
    refuse_outside(context.situation.directory, relative)
    refuse_outside(context.run.quarantine, relative)
    return context.situation.directory / relative


def _model(source: Source, context: Context) -> Path | None:
    """The file that this content comes from; None if it comes from no file."""
    if source.kind == "quarantine":
        return context.run.quarantine / source.path
    return context.situation.directory / source.origin if source.kind == "backup" else None


def _keep_copy(path: Path, source: Source, context: Context) -> None:
    """Copy once; a file put there after the run began is kept too, beside the quarantine."""
    kept = context.run.quarantine / source.path
    if kept.exists() and files.digest(path) not in (files.digest(kept), source.digest, *_own(context, source.path)):
        kept = context.run.spare(source.path)
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.replace_file(kept, content_of(path), path, exactly=True)


def _own(context: Context, path: str) -> tuple[str, ...]:
    """Digest of what the run itself put there: an undo need not keep it."""
    source = context.run.sources / path
    return (files.digest(source),) if source.exists() else ()


def _quarantine(step: Step, context: Context) -> str:
    """If this run has quarantined it before, what is there now (bytecode that a process wrote) goes beside it."""
    path = _place(context, step.targets[0])
    target = context.run.quarantine / step.targets[0]
    files.sweep(target)
    if not moving.is_there(path):
        return f"{step.targets[0]} is already gone"
    if moving.is_there(target) and not moving.is_contained(path, target):
        target = context.run.spare(step.targets[0])
    moving.move(path, target)
    return f"moved to {target.relative_to(context.run.folder)} in the run's folder"


def _put_back(step: Step, context: Context) -> str:
    """A file put there meanwhile is not lost: it goes beside the quarantine."""
    path = _place(context, step.targets[0])
    kept = context.run.quarantine / step.targets[0]
    files.sweep(path)
    if not moving.is_there(kept):
        return f"{step.targets[0]} is out of the quarantine already"
    if moving.is_there(path) and not moving.is_contained(kept, path):
        moving.move(path, context.run.spare(step.targets[0]))
    moving.move(kept, path)
    return f"{step.targets[0]} is back"


def _tag(step: Step, context: Context) -> str:
    image_id, name = step.targets
    images.tag(context.engines.main, image_id, name)
    return f"{name} is image {image_id[7:19]}"


def _build(step: Step, context: Context) -> str:
    return _compose(step, context, context.situation.profile.limits.build_s)


def _recreate(step: Step, context: Context) -> str:
    """Time limit: the start limit plus the stop timeout of each replica."""
    own = [replica for replica in context.situation.everyone if replica.service in step.targets]
    if step.targets == (context.situation.worker,):
        context.stopped.update(replica.id for replica in own)
    _clear_half_made(step, context)
    grace_s = sum(replica.stop_timeout_s for replica in own)
    return _compose(step, context, context.situation.profile.limits.start_s + grace_s)


def _clear_half_made(step: Step, context: Context) -> None:
    """Remove what an interrupted recreate left."""
    for service in step.targets:
        for replica in left_by_an_interrupted_recreate(context.deployed.replicas(service)):
            with answering(f"removal of {replica.name}"):
                context.engines.main.client.api.remove_container(replica.id)


def _start(step: Step, context: Context) -> str:
    return _compose(step, context, context.situation.profile.limits.start_s)


def _replace(step: Step, context: Context) -> str:
    """Remove each by id, as names are reused. Compose then creates as many as are missing."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda container_id: _stop_and_remove(container_id, context), step.targets))
    situation = context.situation
    command = situation.compose.start_missing(situation.wanted(situation.worker))
    return _run(command, step, context, context.situation.profile.limits.start_s)


def _stop_and_remove(container_id: str, context: Context) -> None:
    replica = context.engines.main.inspect(container_id)
    context.stopped.add(container_id)
    if replica is None:
        return  # already gone
    api = context.engines.main.client.api
    with answering(f"removal of {replica.name}"), contextlib.suppress(NotFound):  # already removed
        if replica.paused:
            api.unpause(container_id)
        api.stop(container_id, timeout=replica.stop_timeout_s)
        _note_death(container_id, context)
        api.remove_container(container_id)


def _compose(step: Step, context: Context, limit_s: float) -> str:
    return _run(tuple(shlex.split(step.command)), step, context, limit_s)


def _run(command: tuple[str, ...], step: Step, context: Context, limit_s: float) -> str:
    context.runner(command, cwd=context.situation.directory, timeout_s=limit_s)
    names = ", ".join(target[:12] if len(target) == 64 else target for target in step.targets)
    return f"{names}: done by Compose {context.situation.compose.version}"


def _update(step: Step, context: Context) -> str:
    """Of a stack: by its manager. When each former container ended is read from its node."""
    situation, engines, (name,) = context.situation, context.engines, step.targets
    assert isinstance(engines, Cluster)
    former = situation.found[name]
    want, project, how = situation.stack[name], situation.profile.deployment.project, situation.how
    seconds = update.longest_s(want.service.spec, len(former), situation.profile.limits.start_s)
    limits = stacks.Limits(seconds, context.clock, context.sleep)
    if situation.strategy.restores_code:
        NodeViews(situation.profile, engines, context.clock, context.sleep).await_goal(situation.goal, former)
    is_needed = bool(situation.stale_of(name))
    says = stacks.updated(engines, project, name, want, how.all_at_once, limits, is_needed)
    for replica in former:
        context.stopped.add(replica.id)
        with contextlib.suppress(Unreachable):  # its end is then not known
            ended = now_of(engines, replica)
            if ended is not None and ended.finished_at is not None and not ended.is_running:
                context.died_at.setdefault(replica.id, ended.finished_at)
    return says


def _restart(step: Step, context: Context) -> str:
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda container_id: _restart_one(container_id, context), step.targets))
    return f"{len(step.targets)} restarted"


def _restart_one(container_id: str, context: Context) -> None:
    """With the container's own stop timeout: Docker's default would be 10 s for all."""
    replica = context.engines.main.inspect(container_id)
    if replica is None:
        raise RollbackFailed(
            f"container {container_id[:12]} no longer exists", "look with docker ps -a, then invoke rollback.resume"
        )
    api = context.engines.main.client.api
    context.stopped.add(container_id)
    with answering(f"restart of {replica.name}"):
        if replica.paused:
            api.unpause(container_id)
        api.restart(container_id, timeout=replica.stop_timeout_s)
    _note_death(container_id, context)


def _note_death(container_id: str, context: Context) -> None:
    """Read from the container: the engine keeps few events, and health checks on a busy machine push them out."""
    ended = context.engines.main.inspect(container_id)
    if ended is not None and ended.finished_at is not None:
        context.died_at.setdefault(container_id, ended.finished_at)


def _wait_consuming(step: Step, context: Context) -> str:
    """Wait until each replica has logged, since its own start, that it consumes and is connected."""
    deadline = context.clock() + context.situation.profile.limits.start_s
    while True:
        replicas = _replicas(step, context)
        if not replicas and _is_all_unseen(step, context):
            return "none could be looked at: their nodes do not answer"
        waiting = [text for replica in replicas if (text := _not_yet(replica, context))]
        not_ready = _not_ready(context.situation.worker, replicas, context) if replicas and not waiting else ""
        if (
            isinstance(not_ready, Unmeasured) and context.clock() > deadline
        ):  # not for want of the service: verify tells
            return f"{len(replicas)} consume; {not_ready}"
        waiting += [str(not_ready)] if not_ready else []
        if replicas and not waiting:
            return f"{len(replicas)} consume"
        if context.clock() > deadline:
            said = "; ".join(waiting) or "there is no container"
            limit_s = context.situation.profile.limits.start_s
            down = [replica for replica in replicas if _not_yet(replica, context)]
            raise RollbackFailed(f"the worker does not come up within {limit_s:.0f} s: {said}", _read_the_log(down))
        context.sleep(_POLL_S)


def _not_ready(service: str, replicas: Iterable[Replica], context: Context) -> str | Unmeasured:
    """Why a service is not ready by its own condition; "" if it is, or has none."""
    situation = context.situation
    ready = situation.profile.services[service].ready
    if ready is None or situation.goal.direction is Direction.UNDO:  # the change may be what keeps it from that
        return ""
    return readiness.why_not(ready, replicas, context.engines)


def _is_all_unseen(step: Step, context: Context) -> bool:
    consumer = context.situation.profile.consumer
    return step.targets == (consumer,) and 0 < context.situation.normal(consumer) <= context.unseen(consumer)


def _read_the_log(replicas: Sequence[Replica]) -> str:
    """The command that shows why the first of these does not come up."""
    if not replicas:
        return "`docker ps -a`, or of a stack `docker service ps --no-trunc`, shows what there is; fix the cause"
    where = f", on node {replicas[0].node}," if replicas[0].node else ""
    return f"`docker logs --tail 50 {replicas[0].name}`{where} shows why; fix the cause"


def _replicas(step: Step, context: Context) -> tuple[Replica, ...]:
    if step.targets == (context.situation.profile.consumer,):
        to_come = {replica.id for replica in context.situation.stale} - context.stopped
        found = _counted(context.deployed.consumers())
        is_whole = len(found) + context.unseen(step.targets[0]) >= context.situation.normal(step.targets[0])
        return tuple(r for r in found if r.id not in to_come) if is_whole else ()
    inspected = (context.engines.main.inspect(container_id) for container_id in step.targets)
    return tuple(replica for replica in inspected if replica is not None)


def _counted(replicas: Iterable[Replica]) -> tuple[Replica, ...]:
    """Without those that outlive their task for a while."""
    return tuple(replica for replica in replicas if not replica.unwanted)


def _not_yet(replica: Replica, context: Context) -> str:
    """ "" once it consumes; else its state, with the last error of its start."""
    if replica.started_at is None:
        return f"{replica.name} is {replica.condition}"
    forms = context.situation.profile.logs
    try:
        since = replica.logs_since or replica.started_at
        summary = summarize(logs.recent(context.engines.of(replica), replica, since), forms, since)
    except Unreadable:  # without a log, only its state can be seen; verify judges the rest
        return "" if replica.is_running else f"{replica.name} is {replica.condition}"
    has_connected = summary.connected_at is not None or forms.connected is None
    if replica.is_running and summary.consuming_at and has_connected:
        context.consuming_at[replica.id] = summary.consuming_at
        return ""
    said = f"; it logged: {summary.startup_errors[-1]}" if summary.startup_errors else ""
    state = "has not logged that it consumes" if replica.is_running else f"is {replica.condition}"
    return f"{replica.name} {state}{said}"


def _wait_running(step: Step, context: Context) -> str:
    """For a service whose log shows no work: wait until it runs, as the same process 0.5 s later, and is ready."""
    deadline = context.clock() + context.situation.profile.limits.start_s
    while True:
        first = _counted(context.deployed.replicas(step.targets[0]))
        context.sleep(0.5)
        second = _counted(context.deployed.replicas(step.targets[0]))
        same = [(r.id, r.started_at, r.restart_count) for r in first] == [
            (r.id, r.started_at, r.restart_count) for r in second
        ]
        normal = context.situation.normal(step.targets[0]) - context.unseen(step.targets[0])
        is_up = len(second) >= normal and same and all(r.is_running for r in second)
        not_ready = _not_ready(step.targets[0], second, context) if is_up else ""
        is_unknown = isinstance(not_ready, Unmeasured) and context.clock() > deadline
        if is_up and (not not_ready or is_unknown):
            context.up.update(replica.id for replica in second)
            return f"{step.targets[0]} runs"
        if context.clock() > deadline:
            said = str(not_ready) or "; ".join(f"{r.name} is {r.condition}" for r in second) or "there is no container"
            down = [replica for replica in second if not replica.is_running]
            raise RollbackFailed(f"{step.targets[0]} does not come up: {said}", _read_the_log(down))
        context.sleep(_POLL_S)


def note_consuming(replicas: Iterable[Replica], context: Context) -> None:
    """Record since when each of these consumes, also for those that an earlier attempt started."""
    for replica in replicas:
        if replica.id not in context.consuming_at:
            _not_yet(replica, context)


_HOW: Mapping[Kind, Callable[[Step, Context], str]] = {
    Kind.SAVE_EVIDENCE: _save_evidence,
    Kind.RESTORE: _restore,
    Kind.QUARANTINE: _quarantine,
    Kind.PUT_BACK: _put_back,
    Kind.KEEP_IMAGE: _tag,
    Kind.BUILD: _build,
    Kind.TAG: _tag,
    Kind.RESTART: _restart,
    Kind.RECREATE: _recreate,
    Kind.REPLACE: _replace,
    Kind.START: _start,
    Kind.UPDATE: _update,
    Kind.WAIT_CONSUMING: _wait_consuming,
    Kind.WAIT_RUNNING: _wait_running,
}
