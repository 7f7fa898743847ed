"""What each kind of step does. Every function returns what it did, or raises; finished work is not repeated."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from docker.errors import NotFound

from rollback_gate.change import settings
from rollback_gate.change.content import SETTING, Source
from rollback_gate.errors import RollbackFailed, Unreachable
from rollback_gate.platform import images
from rollback_gate.platform.engine import answering
from rollback_gate.platform.engines import now_of
from rollback_gate.platform.replica import left_by_an_interrupted_recreate
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.regular import content_of
from rollback_gate.rollback import files, moving, stacks, waiting
from rollback_gate.rollback.context import Context
from rollback_gate.rollback.node_views import NodeViews
from rollback_gate.rollback.ownership import refuse_outside
from rollback_gate.rollback.plan import Kind, Step
from rollback_gate.rollback.saving import save_all


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
    Kind.WAIT_CONSUMING: waiting.until_consuming,
    Kind.WAIT_RUNNING: waiting.until_running,
}
