"""Rollback, resume and undo: preflight, plan, run. Each is a plan for a goal, made from the current state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rollback_gate.change import git, settings
from rollback_gate.change.content import SETTING, Content, classify
from rollback_gate.change.goal import Direction, Goal, How, Mode
from rollback_gate.change.sources import Choice, Sources
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import EndedEarly, Refused, RollbackFailed, Unreachable
from rollback_gate.evidence import configured
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import goals, plan, stacks, store, surroundings
from rollback_gate.rollback.execute import GO_ON, Listener, Request, execute, others_now
from rollback_gate.rollback.interruption import Interruption
from rollback_gate.rollback.look import Look, StackOf, digest_of
from rollback_gate.rollback.plan import Plan
from rollback_gate.rollback.preflight import FindGoal, Preflight
from rollback_gate.rollback.situation import Keeping, Situation
from rollback_gate.rollback.steps import Context
from rollback_gate.rollback.stopping import Stopping
from rollback_gate.rollback.store import Run, RunAccount, Store
from rollback_gate.workflow import assessments, failure, probes, seen, why
from rollback_gate.workflow.before import judge_before
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.session import Opening, Session, opened

_CLOCK_STEPS_S = 60


@dataclass(frozen=True)
class Order:
    """What the operator asked for. `anew`: begin a new run although an earlier one has not completed.

    `assessment`: the one that is the reason, once it is settled (workflow.why).
    """

    reason: str = ""
    mode: Mode = Mode()
    choice: Choice = Choice()
    how: How = How()
    dry_run: bool = False
    step_by_step: bool = False
    anew: bool = False
    despite_assessment: bool = False
    assessment: Mapping[str, Any] | None = None


Intention = tuple[FindGoal, How, tuple[Run, RunAccount] | None]


@dataclass(frozen=True)
class Outcome:
    """`run_id` is "" if there was nothing to do."""

    run_id: str
    says: str


def rollback(call: Call, order: Order, opening: Opening = opened) -> Outcome:
    """The runbook's rollbacks (Quick, Partial, Full; rebuild: Troubleshooting). A dry run stops after the plan.

    Resumes a run of the same mode that has not completed. Raises RollbackGateError; a failed run leaves a record.
    """
    settings = call.load()
    call.terminal.stage(f"Rollback of {settings.profile.title}: preflight")
    with opening(call, "rollback") as session:
        found = intention(session, order)
        if found[2] is None and not order.dry_run:
            order = why.settled(call, session.profile, session.stores, order)
        return _act(session, order, *found)


def intention(session: Session, order: Order) -> Intention:
    """The goal of a rollback: that of an unended run of the same mode, else a new one. Raises Refused."""
    earlier = None if order.anew else _to_go_on_with(session, order)
    if earlier is None:
        return partial(_fresh_goal, session, order), order.how, None
    run, account = earlier
    says = f"run {run.id} {account.in_words}; a rollback resumes it"
    session.call.terminal.item("warning", "earlier run", says)
    _refuse_if_changed_since(session, run, account)
    return partial(_goal_of_run, run, account), _how_of(account).with_also(order.how), earlier


def resume(call: Call, order: Order, opening: Opening = opened) -> Outcome:
    """Resumes a run or an undo that was killed, failed or stopped. Raises as `rollback`; Refused for none."""
    settings = call.load()
    call.terminal.stage(f"Resume, {settings.profile.title}: preflight")
    with opening(call, "resume") as session:
        earlier = session.unended()
        if earlier is None:
            newest = next((account for _, account in reversed(session.runs())), None)
            state = f"the newest run, {newest.id}, is {newest.in_words}" if newest else "no run is known"
            raise Refused(f"there is nothing to resume: {state}; nothing was touched", "invoke rollback.history")
        run, account = earlier
        call.terminal.line(f"run {run.id} of {account.began['at']} {account.in_words}")
        _refuse_if_changed_since(session, run, account)
        find = _goal_of_undo if account.direction is Direction.UNDO else _goal_of_run
        how = _how_of(account).with_also(order.how)
        outcome = _act(session, order, partial(find, run, account), how, earlier)
        return (_undone(session, order, outcome) or outcome) if account.direction is Direction.UNDO else outcome


def undo(call: Call, order: Order, opening: Opening = opened) -> Outcome:
    """Restores the change as it was before the newest run that is not undone: files, modules, images, containers.

    Also undoes a half run that `--anew` passed over, which would leave half of the change. Raises as `rollback`;
    Refused if there is no such run, or if the files changed since.
    """
    settings = call.load()
    call.terminal.stage(f"Undo, {settings.profile.title}: preflight")
    with opening(call, "undo") as session:
        outcome = _undone(session, order, None)
    if outcome is None:
        raise Refused("there is no run to undo; nothing was touched", "invoke rollback.history")
    return outcome


def _undone(session: Session, order: Order, outcome: Outcome | None) -> Outcome | None:
    """Undoes the newest run that stands, and half runs below it. `outcome`: of the newer run that is undone already."""
    while (standing := session.standing()) and (outcome is None or standing[-1][1].is_unended):
        run, account = standing[-1]
        session.call.terminal.line(f"run {run.id} of {account.began['at']} {account.in_words}; what it did is undone")
        outcome = _undo_one(session, order, run, account, outcome)
        if order.dry_run:
            break
    return outcome


def _undo_one(session: Session, order: Order, run: Run, account: RunAccount, before: Outcome | None) -> Outcome:
    """`before`: outcome of the newer run that is already undone. Raises Refused only while nothing was touched."""
    try:
        _refuse_if_changed_since(session, run, account, is_undo=True)
        return _act(session, order, partial(_goal_of_undo, run, account), order.how, (run, account))
    except Refused as error:
        if before is None:
            raise
        failed = RollbackFailed(
            f"the newest run is undone; run {run.id}, which {account.in_words}, is not: {error.message}", error.remedy
        )
        failure.record(session, run, failed)
        raise failed from error


# --- goals


def _to_go_on_with(session: Session, order: Order) -> tuple[Run, RunAccount] | None:
    """The unended run that this order resumes, or None. Raises Refused if the order differs from that run."""
    unended = session.unended()
    if unended is None:
        return None
    run, account = unended
    says = f"run {run.id} ({account.mode.name}) {account.in_words}"
    if account.mode != order.mode:
        raise Refused(f"{says}; nothing was touched", f"{GO_ON}; --anew starts a new run regardless")
    if order.choice != Choice():
        raise Refused(
            f"{says}, with its own sources; nothing was touched",
            f"{GO_ON}; --anew starts a new run with the source that you chose",
        )
    return unended


def _fresh_goal(
    session: Session, order: Order, directory: Path, strategy: Strategy, containers: tuple[Replica, ...]
) -> tuple[Goal, str]:
    """What the newest run restored if it is still in place; else what a source has. Raises Refused."""
    goals.refuse_unbuildable(order.mode, strategy)
    kept = _as_restored(session, order, directory, strategy)
    if kept is not None:
        return kept
    sources = Sources(
        session.profile,
        directory,
        session.engines.of(containers[0]) if containers else session.engine,
        lambda: session.runner_as(git.owner(directory)),
        session.snapshots,
        session.keeps,
        order.choice,
    )
    return goals.fresh(sources, order.mode, strategy, containers)


def _as_restored(session: Session, order: Order, directory: Path, strategy: Strategy) -> tuple[Goal, str] | None:
    """The goal as the newest run restored it, while in place: a second rollback must not switch to another source."""
    standing = session.standing()[-1:]
    if not standing or order.choice != Choice() or not strategy.restores_code:
        return None
    run, account = standing[0]
    profile, restored = session.profile, account.source_digests
    code = {path: digest for path, digest in restored.items() if account.began["kinds"][path] != SETTING}
    in_place = all(digest_of(directory / path) == digest for path, digest in code.items())
    is_whole = {item.path for item in profile.files} == code.keys()  # else the profile lists other files now
    if account.outcome != "done" or not code or not in_place or not is_whole:
        return None
    goal, _ = goals.of_run(run, account)
    if any(classify(source.data, profile.file(source.path))[0] is not Content.OLD for source in goal.sources):
        return None  # the profile was fixed since
    removed = order.mode.removes(profile)
    return replace(
        goal,
        mode=order.mode,
        remove=removed,
        images={},
        built={},
        since=None,
        values=settings.old_files(profile, directory),
    ), f"in place, as run {run.id} restored it"


def _goal_of_run(run: Run, account: RunAccount, *_: object) -> tuple[Goal, str]:
    return goals.of_run(run, account)


def _goal_of_undo(run: Run, account: RunAccount, directory: Path, *_: object) -> tuple[Goal, str]:
    return goals.undo_of(run, account, directory)


def _how_of(account: RunAccount) -> How:
    return How(**account.began["how"])


def _refuse_if_changed_since(session: Session, run: Run, account: RunAccount, is_undo: bool = False) -> None:
    """Refuses if files or images changed since the run: its older copies would overwrite newer work."""
    now = {name: session.engine.image_id(name) for name in account.began["images"]}
    is_undo = is_undo or account.direction is Direction.UNDO
    changed = goals.changed_since(run, account, session.profile.deployment.project_directory, now, is_undo)
    if changed and not session.call.accept_diff:
        raise Refused(
            f"since run {run.id} somebody has changed {', '.join(changed)}; nothing was touched",
            "if that may go (a copy is kept with the run), say --accept-diff; "
            "to start a new run regardless: invoke rollback --anew",
        )


def _refuse_other_files(profile: Profile, run: Run, account: RunAccount) -> None:
    """Refuses a run whose restored files the profile does not list: they cannot be judged."""
    if unknown := account.source_digests.keys() - {*(item.path for item in profile.files), *profile.value_files}:
        raise Refused(
            f"the profile does not list {', '.join(sorted(unknown))}, which run {run.id} restored; nothing was touched",
            "use the profile that the run was made with",
        )


# --- preflight, plan, run


def _act(
    session: Session, order: Order, find_goal: FindGoal, how: How, earlier: tuple[Run, RunAccount] | None = None
) -> Outcome:
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


def _not_reached(session: Session) -> str:
    try:
        found = Deployed(session.profile, session.engines).unseen()
    except Unreachable as error:
        return f"whether every container was reached could not be asked: {error.message}"
    return "; ".join(dict.fromkeys(f"not reached: {one}" for rows in found.values() for one in rows))


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
