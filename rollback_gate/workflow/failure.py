"""The record of a failed run: what was done, the state of the service, and what to do next."""

from __future__ import annotations

from dataclasses import replace

from rollback_gate.errors import RollbackFailed, RollbackGateError, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build, write
from rollback_gate.rollback import surroundings
from rollback_gate.rollback.store import Run, RunAccount
from rollback_gate.workflow import assessments, published
from rollback_gate.workflow.call import heading_of, local_now
from rollback_gate.workflow.session import Session


def record(session: Session, run: Run, error: RollbackFailed) -> None:
    """Writes the record and adds it to the error. Never raises if that fails: the failure must be reported."""
    terminal = session.call.terminal
    try:
        _write(session, run, error)
    except (RollbackGateError, OSError) as second:
        terminal.error(f"no record of this failure could be written: {second}")


def _write(session: Session, run: Run, error: RollbackFailed) -> None:
    call = session.call
    account = run.account()
    heading = heading_of(call, session.settings, "rollback", session.engines, account)
    heading = replace(heading, assessment=assessments.read(run.folder))
    headline = f"{account.direction.value} {'stopped' if account.outcome == 'stopped' else 'failed'}"
    # Of the newest attempt: it did not restart what an earlier attempt restarted.
    began = Instant.parse(account.attempts[-1]["at"] if len(account.attempts) > 1 else account.began["engine_time"])
    state = [*state_of_service(session.profile, session.engines, began), *_lost(session, account)]
    heading, folder = published.begin(call, heading)
    error.run_id, error.state = run.id, tuple(state)
    page = build.failed_rollback(heading, error.message, error.remedy, state, local_now(), headline, error.cause)
    published.publish(call, folder, page)
    error.record = str(folder.path / write.HTML_NAME)
    call.terminal.line(f"the record of this failure: {error.record}")
    call.terminal.line(f"what the run has done so far is in {run.folder}")


def _lost(session: Session, account: RunAccount) -> list[str]:
    """Containers of other services that changed since the run began."""
    profile = session.profile
    try:
        others = Deployed(profile, session.engines).others()
    except Unreachable:
        return []  # state_of_service reports it
    return surroundings.lost(account.others, others)


def state_of_service(profile: Profile, engine: Engines, began: Instant) -> list[str]:
    """One line per container of a service that carries the change. `began`: the attempt, by the engine's clock."""
    try:
        found = Deployed(profile, engine).carriers()
    except Unreachable as error:
        return [f"unknown: {error.message}"]
    lines = [f"{one.service}: {one.name} is {one.condition}{_since(one, began)}" for one in found]
    return lines or ["no container of any service that carries the change exists"]


def _since(replica: Replica, began: Instant) -> str:
    """Whether it restarted since the attempt began, so that it can run the restored code."""
    if replica.started_at is None or not replica.is_running:
        return ""
    return f", {'' if replica.started_at > began else 'not '}restarted since this attempt began"
