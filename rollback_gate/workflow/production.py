"""Notify, preflight, execute, stabilise, verify, communicate (runbook, Rollback in Production)."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rollback_gate.checks import settling
from rollback_gate.errors import (
    EndedEarly,
    Locked,
    Refused,
    RollbackFailed,
    RollbackGateError,
    Unreachable,
    WrongSetting,
)
from rollback_gate.evidence.glance import Glances
from rollback_gate.instant import Instant
from rollback_gate.model import ExitCode, Verdict
from rollback_gate.outside import messages, notify
from rollback_gate.outside.messages import Rendered
from rollback_gate.outside.notify import Sending
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.afterwards import Message
from rollback_gate.profile.schema import Profile
from rollback_gate.progress import EVERY_S
from rollback_gate.record import next_steps
from rollback_gate.rollback.stopping import ending_as_an_error
from rollback_gate.workflow import actions
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import rollback
from rollback_gate.workflow.session import Session, opened
from rollback_gate.workflow.verify import Verified, verify
from rollback_gate.workflow.why import settled_before

LOOK_EVERY_S = 5.0


@dataclass(frozen=True)
class Told:
    """The outcome of a message on one channel. `name`: which message."""

    name: str
    says: str
    is_delivered: bool


@dataclass
class _Procedure:
    """The facts for the messages, as far as they are known. `run_id`: "" for no run.

    `is_done`: the rollback completed; later stages cannot make it fail. `under_way`: messages whose outcome is still
    open.
    """

    call: Call
    profile: Profile
    began: Instant
    facts: dict[str, str]
    run_id: str = ""
    is_done: bool = False
    under_way: list[tuple[str, Sending]] = field(default_factory=list)

    def tell(self, name: str, message: Message) -> None:
        rendered = messages.render(message, self.facts)
        redacted = Rendered(*(self.call.terminal.redactor.text(text) for text in (rendered.subject, rendered.body)))
        settings, environ = self.profile.messages, self.call.environ
        channels = notify.channels(settings, environ, SubprocessRunner(allowed(environ, settings.variables)))
        page = Path(self.facts["record"])
        files = (page,) if page.is_file() else ()
        self.under_way.append((name, Sending(channels, redacted, files, self.profile.messages.limit_s)))
        self.call.terminal.line(f"Subject: {redacted.subject}")
        self.call.terminal.lines(redacted.body.splitlines())

    def heard(self) -> list[Told]:
        """Outcomes of the messages under way. Waits for each up to its limit."""
        told = []
        for name, sending in self.under_way:
            outcomes = sending.outcomes() or [("", f"shown only: no messages.command, no {notify.SERVICES_VARIABLE}")]
            for channel, outcome in outcomes:
                says = self.call.terminal.redactor.text(f"{channel}: {outcome}" if channel else outcome)
                mark = "warning" if outcome.startswith("not") else "ok"
                self.call.terminal.item(mark, f"message at the {name}", says)
                told.append(Told(name, says, bool(channel) and notify.was_delivered(outcome)))
        self.under_way.clear()
        return told

    @property
    def duration(self) -> str:
        seconds = local_now().seconds_since(self.began)
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def production(call: Call, order: Order) -> ExitCode:
    """Runs all stages in order; the exit code is the verdict's. A dry run shows the plan and sends no message.

    Raises RollbackGateError, after the end message: everyone notified of the start is notified of the outcome.
    """
    if order.dry_run:
        rollback(call, order)
        return ExitCode.GO
    order = settled_before(call, order)
    profile = call.load().profile
    procedure = _Procedure(call, profile, local_now(), _facts_before(call, profile, order))
    last = profile.messages.end
    call.terminal.stage("1 of 5: notify")
    procedure.tell("beginning", profile.messages.begin)
    try:
        with ending_as_an_error():
            return _act_and_judge(call, order, procedure)
    except BaseException as error:
        last = profile.messages.failure or last
        procedure.facts |= _facts_of(error, call, procedure.is_done)
        procedure.run_id = procedure.run_id or (error.run_id if isinstance(error, RollbackFailed) else "")
        raise
    finally:
        procedure.facts |= {"duration": procedure.duration}
        call.terminal.stage("5 of 5: communicate")
        procedure.tell("end", last)
        told = procedure.heard()
        _journal(call, procedure.run_id, told)
        _note(call, procedure.run_id, told)


def _act_and_judge(call: Call, order: Order, procedure: _Procedure) -> ExitCode:
    call.terminal.stage("2 of 5: preflight and rollback")
    try:
        outcome = rollback(call, order)
    except EndedEarly as error:
        procedure.run_id, procedure.is_done = error.run_id, True
        raise
    procedure.run_id, procedure.is_done = outcome.run_id, True
    procedure.facts |= {"interruption": outcome.says, **_NOT_JUDGED}
    _journal(call, procedure.run_id, procedure.heard())  # before verify: the record lists who was told
    _stabilise(call, procedure.profile.limits.stabilise_s)
    call.terminal.stage("4 of 5: verify")
    verified = verify(call)
    procedure.facts |= _facts_after(verified)
    return verified.code


def _facts_before(call: Call, profile: Profile, order: Order) -> dict[str, str]:
    minutes = profile.messages.eta_minutes
    eta = (local_now().to_datetime() + datetime.timedelta(minutes=minutes)).strftime("%H:%M UTC")
    unknown = "not known"
    return {
        "change": profile.title,
        "project": profile.deployment.project,
        "reason": order.reason or "none given",
        "operator": call.operator,
        "minutes": str(minutes),
        "eta": f"{eta} (in {minutes} minutes)",
        "status": unknown,
        "verdict": "NOT JUDGED",
        "why": unknown,
        "duration": unknown,
        "interruption": unknown,
        "completeness": "not measured",
        "record": "none",
        "next_steps": "",
    }


_NOT_JUDGED = {
    "status": "NOT PROVEN",
    "why": "the rollback is done, and was not judged",
    "next_steps": "1. invoke verify",
}


def _facts_of(error: BaseException, call: Call, is_done: bool) -> dict[str, str]:
    """Facts of a failed procedure: whether the service was touched, its state, and what comes next."""
    clean = call.terminal.redactor.text
    if is_done:
        says = error.message if isinstance(error, RollbackGateError) else type(error).__name__
        return {**_NOT_JUDGED, "why": clean(f"{_NOT_JUDGED['why']}: {says}")}
    if isinstance(error, RollbackFailed):
        return {
            "status": "FAILED",
            "why": clean("; ".join([error.message, *error.state])),
            "record": error.record or "none",
            "next_steps": clean(error.remedy),
        }
    if isinstance(error, Refused | Locked | WrongSetting):
        return {"status": "NOT BEGUN", "why": clean(error.message), "next_steps": clean(error.remedy)}
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return {
            "status": "UNKNOWN",
            "why": "ended by Ctrl-C or a signal, between the steps of a run or before them",
            "next_steps": "1. invoke rollback.history tells whether a run began\n2. invoke rollback.status",
        }
    return {"why": clean(f"interrupted: {type(error).__name__} {error}")}


def _facts_after(verified: Verified) -> dict[str, str]:
    record = verified.record
    claims = [claim for f in record["findings"] if f["check"] == "completeness" for claim in f["claims"]]
    completeness = next((claim["says"] for claim in claims if claim["subject"] == "completeness"), "not measured")
    status = {Verdict.GO.value: "SUCCESS", Verdict.NO_GO.value: "NOT EFFECTIVE"}.get(record["verdict"], "NOT PROVEN")
    return {
        "status": status,
        "verdict": record.get("headline") or record["verdict"],
        "why": record["reason"],
        "completeness": completeness,
        "record": str(verified.page),
        "next_steps": _numbered(next_steps.of_record(record)),
    }


def _numbered(steps: Iterable[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _stabilise(call: Call, limit_s: float) -> None:
    """Waits with live readings; ends early only on what would be a NO-GO, which verify then reports with all evidence.

    Never raises: the rollback is done, and has to be judged in any case.
    """
    call.terminal.stage(f"3 of 5: stabilise, {limit_s:.0f} s (Ctrl-C ends the wait, and verifies)")
    try:
        with opened(call, "stabilise") as session:
            watch(glances_of(session), session.profile, limit_s, call.terminal.line, time.monotonic, time.sleep)
    except KeyboardInterrupt:
        call.terminal.line("the wait was ended by Ctrl-C")
    except (RollbackGateError, OSError) as error:
        call.terminal.item("warning", "stabilise", f"not waited to the end: {error}")


def glances_of(session: Session) -> Glances:
    """Quick readings of every replica of every service that runs now. Raises Unreachable."""
    newest = session.runs()[-1:]
    started = newest[0][1].started if newest else {}
    return Glances(session.profile, session.engines, session.documents, started, session.deployed.carriers())


def watch(
    glances: Glances,
    profile: Profile,
    limit_s: float,
    tell: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Watches until the time is over or a NO-GO shows. A failed reading is reported, and the wait continues."""
    began, last, told_at = clock(), "", 0.0
    while True:
        elapsed_s = clock() - began
        says, is_trouble = _look(glances, profile, elapsed_s)
        if says != last or elapsed_s >= limit_s or elapsed_s - told_at >= EVERY_S:
            tell(f"{max(limit_s - elapsed_s, 0):4.0f} s left: {says}")
            last, told_at = says, elapsed_s
        if is_trouble or elapsed_s >= limit_s:
            return
        sleep(min(LOOK_EVERY_S, max(limit_s - elapsed_s, 0.01)))


def _look(glances: Glances, profile: Profile, elapsed_s: float) -> tuple[str, bool]:
    try:
        readings = glances.take(elapsed_s)
    except Unreachable as error:
        return error.message, False
    claim = settling.trouble(readings, profile)
    if claim is not None:
        return f"{claim.subject} {claim.says}: no need to wait on", True
    return settling.in_words(readings), False


def _note(call: Call, run_id: str, told: Iterable[Told]) -> None:
    """Records the first post-rollback action if a message was delivered. A refused rollback records nothing."""
    channels = [one.says for one in told if one.is_delivered]
    if channels and run_id:
        with suppress(WrongSetting):
            actions.try_to_note(call, call.load(), "notify-team", "; ".join(channels), run_id)


def _journal(call: Call, run_id: str, told: Iterable[Told]) -> None:
    """Writes to the journal of the run, if there is one, which messages were delivered and which were not."""
    if not run_id:
        return
    try:
        with opened(call, "notes") as session:
            for run, _ in session.runs():
                if run.id == run_id:
                    for one in told:
                        run.journal.write("message", name=one.name, outcome=one.says)
    except (RollbackGateError, OSError) as error:
        call.terminal.item("warning", "messages", f"their outcome could not be noted in the journal: {error}")
