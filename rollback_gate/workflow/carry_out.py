"""Preflight, plan, run: what rollback, resume and undo have in common, whatever their goal."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from rollback_gate.change.goal import Direction, How
from rollback_gate.errors import EndedEarly, Refused, RollbackFailed, Unreachable
from rollback_gate.evidence import configured
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import goals, plan, stacks, store, surroundings
from rollback_gate.rollback.context import Context
from rollback_gate.rollback.execute import Listener, Request, execute, others_now
from rollback_gate.rollback.interruption import Interruption
from rollback_gate.rollback.look import Look, StackOf
from rollback_gate.rollback.plan import Plan
from rollback_gate.rollback.preflight import FindGoal, Preflight
from rollback_gate.rollback.situation import Keeping, Situation
from rollback_gate.rollback.stopping import Stopping
from rollback_gate.rollback.store import Run, RunAccount, Store
from rollback_gate.workflow import assessments, failure, probes, seen
from rollback_gate.workflow.before import judge_before
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.order import Order, Outcome
from rollback_gate.workflow.session import Session

_CLOCK_STEPS_S = 60


def carry_out(
    session: Session, order: Order, find_goal: FindGoal, how: How, earlier: tuple[Run, RunAccount] | None = None
) -> Outcome:
    """`earlier`: the run that goes on, or is undone. Raises RollbackGateError; a failed run leaves a record."""
    call = session.call
    if earlier:
        _refuse_other_files(session.profile, *earlier)
    if earlier and not order.dry_run:
        goals.tidy(*earlier, session.profile.deployment.project_directory)
    situation, state = checked(session, find_goal, how, earlier[0] if earlier else None)
    run_id = earlier[0].id if earlier else store.new_id(local_now())
    keeping = keeping_of(session, run_id, earlier[1] if earlier else None)
    run = earlier[0] if earlier else None
    if run is None and not order.dry_run and _asks_before(session, how) and plan.make(situation, keeping).steps:
        run = _begin(session, state, run_id, order)
        call.terminal.line(f"the checks before the rollback: {judge_before(session, situation, run)}")
        situation, state = checked(session, find_goal, how, is_shown=False)  # the checks took time: look again
    dropped = seen.show_difference(call.terminal, situation)
    todo = plan.make(situation, keeping)
    is_open = earlier is not None and (earlier[1].is_unended or situation.goal.direction is Direction.UNDO)
    if not todo.steps and not is_open:
        call.terminal.line(f"nothing to do, nothing was changed: {todo.because}")
        return Outcome("", todo.because)
    if order.dry_run:
        seen.show_plan(call.terminal, todo)
        return Outcome("", "a dry run")
    ask_about_dropped(call, session.profile.limits.dropped_lines, dropped, situation)
    request = Request(order.reason, call.operator, _overrides(call, order), earlier[1] if earlier else None)
    run = run or _begin(session, state, run_id, order)
    measured, asked_to_end = _run(session, situation, run, todo, request, order)
    probes.swept(session)
    call.terminal.line(f"interruption: {measured.says}")
    call.terminal.line(_done(situation, _not_reached(session)))
    if asked_to_end:
        raise EndedEarly(f"run {run.id} is done; {asked_to_end} ended what was to follow", "invoke verify", run.id)
    return Outcome(run.id, measured.says)


def _refuse_other_files(profile: Profile, run: Run, account: RunAccount) -> None:
    """Refuses a run whose restored files the profile does not list: they cannot be judged."""
    if unknown := account.source_digests.keys() - {*(item.path for item in profile.files), *profile.value_files}:
        raise Refused(
            f"the profile does not list {', '.join(sorted(unknown))}, which run {run.id} restored; nothing was touched",
            "use the profile that the run was made with",
        )


def _not_reached(session: Session) -> str:
    try:
        deployed = Deployed(session.profile, session.engines)
        found, left = deployed.unseen(), [one for one in deployed.carriers() if one.unwanted and one.is_running]
    except Unreachable as error:
        return f"whether every container was reached could not be asked: {error.message}"
    says = [f"not reached: {one}" for rows in found.values() for one in rows]
    return "; ".join(dict.fromkeys([*says, *(f"{one.name} on node {one.node} goes on" for one in left)]))


def _done(situation: Situation, not_reached: str) -> str:
    change = f"as far as it could be reached ({not_reached}), " if not_reached else ""
    change += situation.profile.title
    if situation.goal.direction is Direction.UNDO:
        return f"{change} restored" + ("" if situation.goal.consumes else ", and did not consume before either")
    return f"{change} reverted. Next: `invoke verify`"


def _asks_before(session: Session, how: How) -> bool:
    """False for a change that is doing harm: its rollback must not wait."""
    return session.asks_before and session.profile.limits.before_s > 0 and not how.all_at_once


def checked(
    session: Session, find_goal: FindGoal, how: How, run: Run | None = None, is_shown: bool = True
) -> tuple[Situation, Path]:
    """Runs preflight and shows it. Raises Refused with everything that is wrong."""
    database = None if isinstance(session.documents, Unmeasured) else session.documents
    checklist, situation, state = Preflight(
        session.profile,
        session.engines,
        session.runner,
        database,
        session.call.elsewhere,
        find_goal,
        how,
        run.quarantine if run else None,
        stack_of(session, run),
    ).look()
    if is_shown:
        seen.show(session.call.terminal, checklist)
    refusal = checklist.refusal()
    if refusal or situation is None or state is None:
        raise refusal or Refused("preflight could not be finished, nothing was touched")
    return situation, state


def stack_of(session: Session, run: Run | None) -> StackOf:
    """What the services of a Swarm must be made from; nothing under Compose."""
    if not isinstance(session.engines, Cluster):
        return lambda _: {}
    return partial(stacks.of_goal, session.profile, session.engines, run.folder if run else None)


def _refuse_a_clock_set_back(session: Session) -> None:
    """Runs are ordered by time: with a wrong order, an undo would restore the wrong change. Raises Refused."""
    now = local_now()
    ahead = [run for run, account in session.standing() if account.began_at.seconds_since(now) > _CLOCK_STEPS_S]
    if ahead:
        raise Refused(
            f"run {', '.join(run.id for run in ahead)} began in the future: this machine's clock was set back; "
            "nothing was touched",
            "set the clock right; or move away what is never to be undone: "
            + ", ".join(str(run.folder) for run in ahead),
        )


def _begin(session: Session, state: Path, run_id: str, order: Order) -> Run:
    redactor = session.call.terminal.redactor
    _refuse_a_clock_set_back(session)
    try:
        run = Store(state, local_now, redactor.value).begin(run_id)
        if order.assessment:
            assessments.keep(run.folder, order.assessment, redactor)
        return run
    except OSError as error:
        raise Refused(
            f"the run's folder cannot be made, nothing was touched: {error}", "make room, or write access"
        ) from error


def keeping_of(session: Session, run_id: str, account: RunAccount | None) -> Keeping:
    """Which images an undo needs; for a resumed run, those that ran before it began."""
    began = account.began if account else {}
    own = (*account.ever_built, *began["goal_images"].values()) if account else ()
    repository = partial(images.kept_repository, session.keeps)
    return Keeping(repository, run_id, began.get("images", {}), own)


def _run(
    session: Session, situation: Situation, run: Run, todo: Plan, request: Request, order: Order
) -> tuple[Interruption, str]:
    """Runs the plan; returns the interruption, and the signal that arrived during the last step ("" for none)."""
    call = session.call
    if session.lock:
        session.lock.name_run(run.id)
    what = situation.goal.direction.value
    call.terminal.stage(f"{what.capitalize()}: run {run.id}, strategy {situation.strategy}, {len(todo.steps)} steps")
    call.terminal.line(f"QUARANTINE is {run.quarantine}") if order.step_by_step else None
    context = Context(
        situation,
        session.engines,
        session.runner,
        run,
        call.terminal.redactor,
        session.documents,
        session.clock,
        session.sleep,
        session.runner_for,
    )
    before = seen.asking(call.terminal, len(todo.steps)) if order.step_by_step else seen.telling(call.terminal)
    listener = Listener(before, partial(_again, session, situation, run), call.terminal.line)
    with Stopping() as stopping:
        try:
            measured = execute(todo, context, request, listener, stopping)
            _refuse_loss(run, context)
            return measured, stopping.requested
        except RollbackFailed as error:
            failure.record(session, run, error)
            raise


def _refuse_loss(run: Run, context: Context) -> None:
    """Raises RollbackFailed if a container of another service changed since the run began."""
    remedy = "look with docker ps -a, or of a stack docker stack services; start what is missing, then invoke verify"
    try:
        lost = surroundings.lost(run.account().others, others_now(context))
    except Unreachable as error:
        says = f"run {run.id} is done; whether every other service is as before could not be asked: {error.message}"
        raise RollbackFailed(says, remedy) from error
    if lost:
        says = f"run {run.id} is done, and of other services {', '.join(lost)}: by whom, this tool cannot tell"
        raise RollbackFailed(says, remedy)


def _again(session: Session, before: Situation, run: Run) -> tuple[Situation, Plan]:
    """What is left to do for the same goal, found as in preflight."""
    account, found = run.account(), session.deployed.counted()
    look = Look(
        session.profile,
        session.engines,
        before.directory,
        before.strategy,
        replace(before.goal, built=account.built),
        before.how,
        run.quarantine,
        configured.of_a_run(session.profile, session.engines, session.runner, before.compose),
        stack_of(session, run),
    )
    situation = look.situation(before.compose, before.services, found)
    return situation, plan.make(situation, keeping_of(session, run.id, account))


def ask_about_dropped(call: Call, limit: int, dropped: int, situation: Situation, may_ask: bool = True) -> None:
    """Asks before unrelated work is discarded: needs a yes at the terminal or --accept-diff. Raises Refused."""
    if dropped <= limit or call.accept_diff or situation.goal.direction is Direction.UNDO:
        return
    says = f"the restore drops {dropped} lines that are not the change's own, more than limits.dropped_lines, {limit}"
    if not (may_ask and call.terminal.ask(f"{says}; restore anyway?")):
        remedy = "look at the diff above; if that work may go: --accept-diff"
        raise Refused(f"{says}; nothing was touched", remedy)


def _overrides(call: Call, order: Order) -> tuple[str, ...]:
    given = {
        "--without-database": not call.with_database,
        "--accept-diff": call.accept_diff,
        "--anew": order.anew,
        "--accept-configuration": order.how.accept_configuration,
        "--despite-assessment": order.despite_assessment,
    }
    return tuple(name for name, is_given in given.items() if is_given)
