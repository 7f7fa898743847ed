"""Carrying out a plan: each step is in the journal before it begins and after it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rollback_gate.errors import RollbackFailed, RollbackGateError
from rollback_gate.instant import Instant
from rollback_gate.rollback import interruption, steps
from rollback_gate.rollback.interruption import Interruption, Stop
from rollback_gate.rollback.plan import Kind, Plan, Step
from rollback_gate.rollback.steps import Context


@dataclass(frozen=True)
class Request:
    """Who wants this rollback, why, and which refusals were overridden by name."""

    mode: str
    reason: str
    operator: str
    overrides: tuple[str, ...] = ()


def execute(plan: Plan, context: Context, request: Request, tell: Callable[[Step], None]) -> Interruption:
    """All steps in order. Raises RollbackFailed, after journaling it, for whatever ends the run early."""
    step_id = "the beginning"
    try:
        began = _begin(plan, context, request)
        for step in plan.steps:
            step_id = f"step '{step.id}'"
            tell(step)
            _one(step, context)
        step_id = "the end"
        _journal_started(context)
        measured = _measure(context, began)
        context.run.journal.write("interruption", seconds=measured.seconds, says=measured.says)
        context.run.journal.write("run.end", outcome="done")
    except BaseException as error:
        raise _failure(step_id, error, context) from error
    return measured


def _begin(plan: Plan, context: Context, request: Request) -> Instant:
    situation = context.situation
    began = context.engine.now()
    context.run.journal.write(
        "run.begin", run=context.run.id, mode=request.mode, reason=request.reason, operator=request.operator,
        overrides=list(request.overrides), strategy=situation.strategy.value, profile=situation.profile.name,
        compose=situation.compose.version, folder=str(context.run.folder), engine_time=str(began),
        source_digests={source.path: source.digest for source in situation.sources},
        sources={source.path: source.origin for source in situation.restore}, plan=[step.id for step in plan.steps],
    )  # fmt: skip
    return began


def _one(step: Step, context: Context) -> None:
    journal = context.run.journal
    journal.write("step.begin", step=step.id, says=step.says, command=step.command)
    try:
        detail = steps.perform(step, context)
    except BaseException as error:
        with suppress(OSError):  # a full disk must not hide the failure behind one of the journal's own
            journal.write("step.end", step=step.id, outcome="failed", detail=_says(error))
        raise
    journal.write("step.end", step=step.id, outcome="done", detail=detail)
    if step.kind is Kind.WAIT_CONSUMING:
        _journal_started(context)  # at once: what restarts by itself after this is a finding


def _failure(step_id: str, error: BaseException, context: Context) -> RollbackFailed:
    with suppress(OSError):
        context.run.journal.write("run.end", outcome="failed")
    remedy = error.remedy if isinstance(error, RollbackGateError) else ""
    return RollbackFailed(context.redactor.text(f"{step_id} failed: {_says(error)}"), remedy)


def _says(error: BaseException) -> str:
    if isinstance(error, RollbackGateError):
        return error.message
    return (
        "interrupted from the keyboard" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
    )


def _journal_started(context: Context) -> None:
    """The boundary of each replica, once: the start of the process that this run made, or found young enough."""
    deployment = context.situation.profile.deployment
    to_come = context.stopped | {replica.id for replica in context.situation.stale_replicas}
    for replica in context.engine.containers(deployment.compose_project, deployment.worker):
        is_settled = replica.id in context.consuming_at or replica.id not in to_come
        if is_settled and replica.started_at and replica.id not in context.journaled:
            context.journaled.add(replica.id)
            context.run.journal.write("started", container=replica.id, name=replica.name, image=replica.image_id,
                                      started_at=str(replica.started_at), config_hash=replica.config_hash)  # fmt: skip


def _measure(context: Context, began: Instant) -> Interruption:
    situation = context.situation
    stopped = [container_id for container_id in situation.consuming if container_id in context.stopped]
    deaths = steps.first_deaths(context.engine, stopped, began, context.engine.now())
    stops = [Stop(deaths.get(i), context.consuming_at.get(i)) for i in stopped]
    since = [at for replica in situation.replicas if (at := context.not_consuming_since.get(replica.id))]
    goes_on = len(stopped) < len(situation.consuming)
    return interruption.measure(stops, goes_on, max(since, default=None), context.consuming_at.values())
