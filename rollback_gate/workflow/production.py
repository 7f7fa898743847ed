"""Notify, preflight, execute, stabilise, verify, communicate (runbook, Rollback in Production)."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rollback_gate import messages
from rollback_gate.call import Call, local_now
from rollback_gate.checks import settling
from rollback_gate.commands import SubprocessRunner
from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.evidence.glance import Glances
from rollback_gate.instant import Instant
from rollback_gate.messages import Rendered
from rollback_gate.model import ExitCode, Verdict
from rollback_gate.profile.schema import Message, Profile
from rollback_gate.session import opened
from rollback_gate.workflow.rollback import Order, Outcome, rollback
from rollback_gate.workflow.verify import Verified, verify

LOOK_EVERY_S = 5.0
_NEXT = {
    ExitCode.GO: "1. Investigate root cause\n2. Fix issues\n3. Re-deploy when ready (CI gate: the record must be GO)",
    ExitCode.NO_GO: "1. Read the record: it names the check and what was seen\n2. Mend that, then invoke verify",
    ExitCode.INCONCLUSIVE: "1. Read the record: it names what could not be measured\n2. Then invoke verify again",
}


@dataclass
class _Procedure:
    """What the messages say, as far as it is known. `told`: what became of each message."""

    call: Call
    profile: Profile
    began: Instant
    facts: dict[str, str]
    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, name: str, message: Message) -> None:
        rendered = messages.render(message, self.facts)
        redacted = Rendered(*(self.call.terminal.redactor.text(text) for text in (rendered.subject, rendered.body)))
        outcome = messages.deliver(redacted, self.profile.messages, SubprocessRunner(self.call.environ))
        self.call.terminal.line(f"Subject: {redacted.subject}")
        self.call.terminal.lines(redacted.body.splitlines())
        mark = "warning" if outcome.startswith("not") else "ok"
        self.call.terminal.item(mark, f"message at the {name}", outcome)
        self.told.append((name, outcome))

    @property
    def duration(self) -> str:
        seconds = local_now().seconds_since(self.began)
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def production(call: Call, order: Order) -> ExitCode:
    """All stages in order; the exit code is the verdict's. Raises RollbackGateError, after telling people of it."""
    profile = call.load().profile
    procedure = _Procedure(call, profile, local_now(), _facts_before(call, profile, order))
    call.terminal.stage("1 of 5: notify")
    procedure.tell("beginning", profile.messages.begin)
    try:
        call.terminal.stage("2 of 5: preflight and rollback")
        outcome = rollback(call, order)
        procedure.facts |= {"interruption": outcome.says}
        _stabilise(call)
        call.terminal.stage("4 of 5: verify")
        verified = verify(call)
    except RollbackGateError as error:
        call.terminal.stage("5 of 5: communicate")
        procedure.facts |= {"status": "FAILED", "verdict": "none", "why": call.terminal.redactor.text(error.message),
                            "next_steps": call.terminal.redactor.text(error.remedy) or "see the message above",
                            "duration": procedure.duration}  # fmt: skip
        procedure.tell("end", profile.messages.end)
        _journal(call, procedure)
        raise
    call.terminal.stage("5 of 5: communicate")
    procedure.facts |= _facts_after(procedure, outcome, verified)
    procedure.tell("end", profile.messages.end)
    _journal(call, procedure)
    return verified.code


def _facts_before(call: Call, profile: Profile, order: Order) -> dict[str, str]:
    minutes = profile.messages.eta_minutes
    eta = (local_now().to_datetime() + datetime.timedelta(minutes=minutes)).strftime("%H:%M UTC")
    unknown = "not known"
    return {
        "change": profile.title, "project": profile.deployment.compose_project, "reason": order.reason or "none given",
        "operator": call.operator, "minutes": str(minutes), "eta": f"{eta} (in {minutes} minutes)",
        "status": unknown, "verdict": unknown, "why": unknown, "duration": unknown, "interruption": unknown,
        "completeness": "not measured", "record": "none", "next_steps": "",
    }  # fmt: skip


def _facts_after(procedure: _Procedure, outcome: Outcome, verified: Verified) -> dict[str, str]:
    record = verified.record
    completeness = next((f["reason"] for f in record["findings"] if f["check"] == "completeness"), "not measured")
    status = {Verdict.GO.value: "SUCCESS", Verdict.NO_GO.value: "NOT EFFECTIVE"}.get(record["verdict"], "NOT PROVEN")
    return {
        "status": status, "verdict": record["verdict"], "why": record["reason"], "duration": procedure.duration,
        "completeness": completeness, "record": str(verified.page), "next_steps": _NEXT[verified.code],
        "interruption": outcome.says,
    }  # fmt: skip


def _stabilise(call: Call) -> None:
    """Waits with live readings; ends early only on what would be a NO-GO, which verify then says with all evidence."""
    settings = call.load()
    limit_s = settings.profile.limits.stabilise_s
    call.terminal.stage(f"3 of 5: stabilise, {limit_s:.0f} s (Ctrl-C ends the wait, and verifies)")
    with opened(call, "stabilise") as session:
        deployment = session.profile.deployment
        newest = session.runs()[-1:]
        started = newest[0][1].started if newest else {}
        first = session.engine.containers(deployment.compose_project, deployment.worker)
        glances = Glances(session.profile, session.engine, session.documents, started, first)
        try:
            watch(glances, session.profile, limit_s, call.terminal.line, time.monotonic, time.sleep)
        except KeyboardInterrupt:
            call.terminal.line("the wait was ended by Ctrl-C")
        except Unreachable as error:
            call.terminal.item("warning", "stabilise", error.message)


def watch(
    glances: Glances, profile: Profile, limit_s: float, tell: Callable[[str], None], clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> str:  # fmt: skip
    """What ended the wait early, "" when nothing did. Raises Unreachable."""
    began, last = clock(), ""
    while True:
        elapsed_s = clock() - began
        readings = glances.take(elapsed_s)
        claim = settling.trouble(readings, profile)
        if claim is not None:
            tell(f"after {elapsed_s:.0f} s: {claim.subject} {claim.says}")
            return f"{claim.subject} {claim.says}"
        says = settling.in_words(readings)
        if says != last or elapsed_s >= limit_s:
            tell(f"{max(limit_s - elapsed_s, 0):4.0f} s left: {says}")
            last = says
        if elapsed_s >= limit_s:
            return ""
        sleep(min(LOOK_EVERY_S, max(limit_s - elapsed_s, 0.01)))


def _journal(call: Call, procedure: _Procedure) -> None:
    """In the run's account, where there is a run: who was told, and who was not."""
    try:
        with opened(call, "notes") as session:
            runs = [run for run, account in session.runs() if account.began["at"] >= str(procedure.began)]
            for run in runs[-1:]:
                for name, outcome in procedure.told:
                    run.journal.write("message", name=name, outcome=outcome)
    except (RollbackGateError, OSError) as error:
        call.terminal.item("warning", "messages", f"their outcome could not be noted in the journal: {error}")
