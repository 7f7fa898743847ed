"""Rollback, resume and undo: preflight, plan, run. Each is a plan for a goal, made from the current state."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from rollback_gate.change import git, settings
from rollback_gate.change.content import SETTING, Content, classify
from rollback_gate.change.goal import Direction, Goal, How
from rollback_gate.change.sources import Choice, Sources
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import Refused, RollbackFailed
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.rollback import goals
from rollback_gate.rollback.execute import GO_ON
from rollback_gate.rollback.look import digest_of
from rollback_gate.rollback.preflight import FindGoal
from rollback_gate.rollback.store import Run, RunAccount
from rollback_gate.workflow import failure, why
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.carry_out import carry_out
from rollback_gate.workflow.order import Order, Outcome
from rollback_gate.workflow.session import Opening, Session, opened

Intention = tuple[FindGoal, How, tuple[Run, RunAccount] | None]


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
        return carry_out(session, order, *found)


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
        outcome = carry_out(session, order, partial(find, run, account), how, earlier)
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
        return carry_out(session, order, partial(_goal_of_undo, run, account), order.how, (run, account))
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
        _engine_with_old(session, containers),
        lambda: session.runner_as(git.owner(directory)),
        session.snapshots,
        session.keeps,
        order.choice,
    )
    return goals.fresh(sources, order.mode, strategy, containers)


def _engine_with_old(session: Session, containers: tuple[Replica, ...]) -> Engine:
    """That of the first container whose engine has the images that the profile names as old, if one has."""
    engines = [session.engines.of(container) for container in containers] or [session.engine]
    old = [item.old for item in session.profile.values if isinstance(item, ImageItem)]
    return next((one for one in engines if all(one.image_id(name) is not None for name in old)), engines[0])


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
