"""Plan execution: each step is journaled before it begins and after it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from rollback_gate import progress
from rollback_gate.change.goal import Direction
from rollback_gate.errors import Refused, RollbackFailed, RollbackGateError
from rollback_gate.evidence import keeping
from rollback_gate.evidence.events import first_deaths
from rollback_gate.instant import Instant
from rollback_gate.platform.engines import anywhere
from rollback_gate.platform.replica import Replica
from rollback_gate.rollback import goals, interruption, stacks, steps, waiting
from rollback_gate.rollback.context import Context
from rollback_gate.rollback.interruption import Interruption
from rollback_gate.rollback.look import digest_of
from rollback_gate.rollback.plan import Kind, Plan, Step
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.stopping import ENDS_AT_ONCE, Interrupted, Stopping
from rollback_gate.rollback.store import RunAccount

GO_ON = (
    "`invoke rollback.resume` completes the run; or `invoke rollback.undo` restores the change, which then runs again"
)


@dataclass(frozen=True)
class Request:
    """Operator, reason, and the refusals overridden by name. `earlier`: the run being resumed or undone."""

    reason: str
    operator: str
    overrides: tuple[str, ...] = ()
    earlier: RunAccount | None = None


@dataclass(frozen=True)
class Listener:
    """`before`: called before each step; a false result stops the run there.

    `again`: reads the deployment again for the same goal, to find what is left to do after all steps.
    `tell`: called repeatedly during a long step.
    """

    before: Callable[[Step, int], bool]
    again: Callable[[], tuple[Situation, Plan]]
    tell: Callable[[str], None]


class _Stopped(Exception):
    """Stopped between two steps, by the operator or a signal."""


def execute(plan: Plan, context: Context, request: Request, listener: Listener, stopping: Stopping) -> Interruption:
    """Run all steps in order. Raises RollbackFailed, after journaling it, if the run ends early.

    Raises Refused if it ends before anything was touched.
    """
    current = ""
    try:
        began, consuming = _begin(plan, context, request)
        for number, step in enumerate(_steps(plan, context, listener), 1):
            _ask_to_go_on(step, number, listener, stopping)
            current = step.id
            with progress.ticking(listener.tell, step.says):
                _one(step, context, stopping)
            current = ""
        measured = _finish(context, began, consuming)
    except (_Stopped, Interrupted) as stop:
        says = str(stop) if isinstance(stop, _Stopped) else f"stopped by {stop} in step '{current}'"
        raise _stopped(says, context) from stop
    except BaseException as error:
        raise _failure(current, error, context) from error
    return measured


def _steps(plan: Plan, context: Context, listener: Listener) -> Iterator[Step]:
    """The plan's steps, then those still needed: a process may have written bytecode while its module was moved away.

    Raises RollbackFailed if the goal is still not reached: completed steps alone do not complete a run.
    """
    yield from plan.steps
    context.situation, left = listener.again()
    if not left.steps:
        return
    yield from left.steps
    context.situation, left = listener.again()
    if left.steps:
        raise RollbackFailed(f"all steps are done, and there is still to do: {', '.join(s.says for s in left.steps)}")


def _ask_to_go_on(step: Step, number: int, listener: Listener, stopping: Stopping) -> None:
    where = f"before step '{step.id}'"
    try:
        stopping.allow(True)
        goes_on = listener.before(step, number)
        stopping.allow(False)
    except Interrupted as error:
        raise _Stopped(f"stopped by {error} {where}") from error
    if not goes_on:
        raise _Stopped(f"stopped by the operator {where}")


def _finish(context: Context, began: Instant, consuming: tuple[str, ...]) -> Interruption:
    _journal_started(context, is_over=True)
    measured = _measure(context, began, consuming)
    context.run.journal.write("interruption", seconds=measured.seconds, says=measured.says)
    context.run.journal.write("run.end", outcome="done")
    return measured


def _begin(plan: Plan, context: Context, request: Request) -> tuple[Instant, tuple[str, ...]]:
    """Start of the run (engine clock) and ids of the containers consuming then; for a resume, the first attempt's."""
    journal, goal = context.run.journal, context.situation.goal
    steps_to_come = [step.id for step in plan.steps]
    if request.earlier is not None:
        event = "run.undo" if goal.direction is Direction.UNDO else "run.resume"
        turned = request.earlier.direction is not goal.direction
        others = {"others": others_now(context)} if turned else {}
        journal.write(
            event,
            direction=goal.direction.value,
            reason=request.reason,
            operator=request.operator,
            overrides=list(request.overrides),
            plan=steps_to_come,
            how=asdict(context.situation.how),
            **others,
        )
        if turned:
            return context.engines.now(), context.situation.consuming
        began = request.earlier.began
        return Instant.parse(began["engine_time"]), tuple(began["consuming"])
    now = context.engines.now()
    goals.keep(context.run, (*goal.sources, *context.situation.values))
    stacks.keep(context.run.folder, {name: one.service for name, one in context.situation.stack.items()})
    journal.write("run.begin", **_facts(context, request), engine_time=str(now), plan=steps_to_come)
    return now, context.situation.consuming


def _facts(context: Context, request: Request) -> dict[str, object]:
    """What a resume or an undo needs (goals.py), plus details for readers."""
    situation, goal = context.situation, context.situation.goal
    written = (*goal.sources, *situation.values)  # of files with settings, those that the run has to write
    return {
        "run": context.run.id,
        "mode": goal.mode.name.value,
        "with_documentation": goal.mode.with_documentation,
        "reason": request.reason,
        "operator": request.operator,
        "overrides": list(request.overrides),
        "how": asdict(situation.how),
        "strategy": situation.strategy.value,
        "profile": situation.profile.name,
        "compose": situation.compose.version,
        "folder": str(context.run.folder),
        "source_digests": {source.path: source.digest for source in written},
        "kinds": {source.path: source.kind for source in written},
        "executable": [source.path for source in written if source.is_executable],
        "origins": {source.path: source.origin for source in written},
        "sources": {source.path: source.says for source in situation.to_write},
        "remove": list(goal.remove),
        "goal_images": dict(goal.images),
        "images": dict(situation.images),
        "before": {source.path: digest_of(situation.directory / source.path) for source in written},
        "consuming": list(situation.consuming),
        "ill": list(situation.ill_services),
        "others": others_now(context),
        "kept": keeping.as_journaled(keeping.read(situation.profile, context.runner_for)),
    }


def others_now(context: Context) -> dict[str, str]:
    """Of the project's services that this run must leave alone, what is to be the same. Raises Unreachable."""
    return context.deployed.others()


def _one(step: Step, context: Context, stopping: Stopping) -> None:
    journal = context.run.journal
    journal.write(
        "step.begin",
        step=step.id,
        kind=step.kind.value,
        targets=list(step.targets),
        says=step.says,
        command=step.command,
    )
    try:
        stopping.allow(step.kind in ENDS_AT_ONCE)
        detail = steps.perform(step, context)
        stopping.allow(False)
        made = _made(step, context)
    except BaseException as error:
        stopping.allow(False)
        outcome = "stopped" if isinstance(error, Interrupted) else "failed"
        with suppress(OSError):  # a full disk must not mask the failure with a journal error
            journal.write("step.end", step=step.id, outcome=outcome, detail=_says(error))
        raise
    journal.write("step.end", step=step.id, outcome="done", detail=detail, **made)
    if step.kind in (Kind.WAIT_CONSUMING, Kind.WAIT_RUNNING):
        _journal_started(context)  # at once: any later restart is a finding


def _made(step: Step, context: Context) -> dict[str, Any]:
    """Ids of the built images, by name: part of the step's end entry, so that both are written or neither."""
    if step.kind is not Kind.BUILD:
        return {}
    found = {name: context.engines.main.image_id(name) for name in context.situation.images}
    return {"built": {name: image_id for name, image_id in found.items() if image_id is not None}}


def _stopped(message: str, context: Context) -> RollbackGateError:
    with suppress(OSError):
        context.run.journal.write("run.end", outcome="stopped")
    if not _has_changed(context):
        return Refused(f"{message}; nothing was touched", "run invoke rollback again")
    return RollbackFailed(message, GO_ON)


def _failure(current: str, error: BaseException, context: Context) -> RollbackGateError:
    remedy = error.remedy if isinstance(error, RollbackGateError) else ""
    says = context.redactor.text(f"step '{current}' failed: {_says(error)}" if current else _says(error))
    if not current and not _has_changed(context):
        return Refused(
            f"the run could not begin, nothing was touched: {says}", remedy or "fix that, then roll back again"
        )
    with suppress(OSError):
        context.run.journal.write("run.end", outcome="failed")
    failed = RollbackFailed(says, "\n".join(filter(None, [remedy, GO_ON])))
    failed.cause = context.redactor.text(_says(error))
    return failed


def _has_changed(context: Context) -> bool:
    """True if a step began, or if the journal is unreadable: something may then have been touched."""
    try:
        return context.run.account().changed
    except (OSError, RollbackGateError):
        return True


def _says(error: BaseException) -> str:
    if isinstance(error, RollbackGateError):
        return error.message
    return str(error) if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"


def _journal_started(context: Context, is_over: bool = False) -> None:
    """Journal each replica's boundary once: the start of the process that this run made or found recent enough."""
    if context.situation.goal.direction is Direction.UNDO:
        return
    for replica in context.deployed.carriers():
        if replica.unwanted:
            continue
        is_settled = is_over or _is_settled(replica, context)
        if is_settled and replica.started_at and replica.id not in context.journaled:
            context.journaled.add(replica.id)
            context.run.journal.write(
                "started",
                container=replica.id,
                name=replica.name,
                image=replica.image_id,
                started_at=str(replica.started_at),
                config_hash=replica.config_hash,
            )


def _is_settled(replica: Replica, context: Context) -> bool:
    """True if a step waited for it, or its service consumes and no step will touch it. Others may yet be restarted."""
    if replica.id in context.consuming_at or replica.id in context.up:
        return True
    to_come = context.stopped | {stale.id for stale in context.situation.stale}
    return replica.service == context.situation.worker and replica.id not in to_come


def _measure(context: Context, began: Instant, consuming: tuple[str, ...]) -> Interruption:
    """Based on those that consumed when the run began, whichever attempt stopped them, and those consuming now."""
    situation, engines = context.situation, context.engines
    now = context.deployed.consumers()
    waiting.note_consuming(now, context)
    stopped = [i for i in consuming if i in context.stopped or _has_ended(i, context, began)]
    deaths = {**_own_ends(now, began), **context.died_at, **first_deaths(engines, stopped, began)}
    since = [at for replica in situation.replicas if (at := context.not_consuming_since.get(replica.id))]
    return interruption.measure(
        [deaths.get(i) for i in stopped],
        len(stopped) < len(consuming),
        max(since, default=None),
        [context.consuming_at[replica.id] for replica in now if replica.id in context.consuming_at],
    )


def _own_ends(replicas: Iterable[Replica], began: Instant) -> dict[str, Instant]:
    """End of each container's previous process, for those that an earlier attempt restarted."""
    return {r.id: r.finished_at for r in replicas if r.finished_at is not None and r.finished_at > began}


def _has_ended(container_id: str, context: Context, began: Instant) -> bool:
    replica = anywhere(context.engines, container_id)
    return replica is None or replica.started_at is None or replica.started_at > began
