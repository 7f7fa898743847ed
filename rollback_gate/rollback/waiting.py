"""Waits until what a step has started consumes, or runs, and is ready."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rollback_gate.change.goal import Direction
from rollback_gate.errors import RollbackFailed, Unreadable
from rollback_gate.evidence import logs, readiness
from rollback_gate.evidence.log_lines import summarize
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.rollback.context import Context
from rollback_gate.rollback.plan import Step

_POLL_S = 0.1


def until_consuming(step: Step, context: Context) -> str:
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


def until_running(step: Step, context: Context) -> str:
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
