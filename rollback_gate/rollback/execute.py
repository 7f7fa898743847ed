"""Carrying out a plan: each step is in the journal before it begins and after it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback_gate.errors import RollbackFailed, RollbackGateError
from rollback_gate.instant import Instant
from rollback_gate.rollback import interruption, steps
from rollback_gate.rollback.interruption import Interruption
from rollback_gate.rollback.plan import Plan, Step
from rollback_gate.rollback.steps import Context


@dataclass(frozen=True)
class Request:
    """Who wants this rollback, why, and which refusals were overridden by name."""

    mode: str
    reason: str
    operator: str
    overrides: tuple[str, ...] = ()


def execute(plan: Plan, context: Context, request: Request, tell: Callable[[str, Step], None]) -> Interruption:
    """All steps in order. Raises RollbackFailed, after journaling it, when one fails; the ones before stay done."""
    journal, situation = context.run.journal, context.situation
    began = context.engine.now()
    journal.write(
        "run.begin", run=context.run.id, mode=request.mode, reason=request.reason, operator=request.operator,
        overrides=list(request.overrides), strategy=situation.strategy.value, profile=situation.profile.name,
        compose=situation.compose.version, folder=str(context.run.folder), engine_time=str(began),
        source_digests=_all_digests(context), sources={s.path: s.origin for s in situation.restore},
        plan=[step.id for step in plan.steps],
    )  # fmt: skip
    for step in plan.steps:
        tell("begin", step)
        _one(step, context)
        tell("end", step)
    _journal_started(context)
    measured = _measure(context, began)
    journal.write("interruption", seconds=measured.seconds, says=measured.says)
    journal.write("run.end", outcome="done")
    return measured


def _one(step: Step, context: Context) -> None:
    journal = context.run.journal
    journal.write("step.begin", step=step.id, says=step.says, command=step.command)
    try:
        detail = steps.perform(step, context)
    except (RollbackGateError, OSError) as error:
        text = context.redactor.text(error.message if isinstance(error, RollbackGateError) else f"{step.id}: {error}")
        _journal_failure(step, context, text)
        remedy = error.remedy if isinstance(error, RollbackGateError) else ""
        raise RollbackFailed(f"step '{step.id}' failed: {text}", remedy) from error
    journal.write("step.end", step=step.id, outcome="done", detail=context.redactor.text(detail))


def _journal_failure(step: Step, context: Context, text: str) -> None:
    """A full disk must not hide the failure behind one of the journal's own."""
    try:
        context.run.journal.write("step.end", step=step.id, outcome="failed", detail=text)
        context.run.journal.write("run.end", outcome="failed")
    except OSError as error:
        raise RollbackFailed(f"step '{step.id}' failed: {text}; and the journal cannot be written: {error}",
                             "make room where the run keeps its files") from error  # fmt: skip


def _all_digests(context: Context) -> dict[str, str]:
    return {source.path: source.digest for source in context.situation.sources}


def _journal_started(context: Context) -> None:
    """The boundary of each replica: the start of the process that this run made or found young enough."""
    deployment = context.situation.profile.deployment
    for replica in context.engine.containers(deployment.compose_project, deployment.worker):
        context.run.journal.write("started", container=replica.id, name=replica.name, started_at=str(replica.started_at),
                                  image=replica.image_id, config_hash=replica.config_hash)  # fmt: skip


def _measure(context: Context, began: Instant) -> Interruption:
    situation = context.situation
    died = steps.deaths(context.engine, situation.consuming, began, context.engine.now())
    since = [at for replica in situation.replicas if (at := context.not_consuming_since.get(replica.id))]
    return interruption.measure(
        died, bool(situation.consuming), max(since, default=None), context.consuming_at.values()
    )
