"""What a rollback and a verify consist of, as visible lists of stages. Effects come in as arguments."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.call import (
    Call,
    deployment_id,
    heading_of,
    local_now,
    lock_of,
    record_folder,
    state_folders,
)
from rollback_gate.commands import Runner, SubprocessRunner
from rollback_gate.deployment import engine as engines
from rollback_gate.deployment.engine import Engine
from rollback_gate.deployment.replica import Replica
from rollback_gate.errors import Refused, RollbackFailed, RollbackGateError, Unreachable, WrongSetting
from rollback_gate.evidence import documents
from rollback_gate.evidence.boundary import started_by_run
from rollback_gate.evidence.collect import Judged
from rollback_gate.instant import Instant
from rollback_gate.model import EXIT_OF_VERDICT, ExitCode, Unmeasured
from rollback_gate.profile.load import Settings, database_password
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build, write
from rollback_gate.record.build import Heading
from rollback_gate.request import GateRequest
from rollback_gate.rollback import plan, sources, store
from rollback_gate.rollback.execute import Request, execute
from rollback_gate.rollback.plan import Plan, Situation
from rollback_gate.rollback.preflight import Checklist, Preflight
from rollback_gate.rollback.steps import Context
from rollback_gate.rollback.store import RunAccount, Store
from rollback_gate.suite import run_suite
from rollback_gate.terminal import Terminal

DIFF_LINES_SHOWN = 20


# --- rollback


@dataclass(frozen=True)
class Mode:
    """Which of the runbook's rollbacks: quick (Option 1), or full, which removes more files."""

    name: str
    with_documentation: bool = False

    def also_remove(self, profile: Profile) -> tuple[str, ...]:
        if self.name != "full":
            return ()
        return (*profile.code.remove_full, *(profile.code.documentation if self.with_documentation else ()))


QUICK = Mode("quick")


def rollback(call: Call, reason: str, mode: Mode = QUICK, dry_run: bool = False) -> None:
    """Preflight, plan, run (runbook, Option 1 and Full Rollback); a dry run ends with the plan.

    Raises RollbackGateError; a failed run has left a record.
    """
    settings = call.load()
    call.terminal.stage(f"Rollback of {settings.profile.title}: preflight")
    try:
        engine = engines.connect(call.environ)
    except Unreachable as error:
        raise Refused(f"preflight refused, nothing was touched: {error.message}", error.remedy) from error
    runner = SubprocessRunner(engine.environment)
    with contextlib.closing(engine), lock_of(call, settings, engine, "rollback"):
        situation, state = _preflight(call, settings, engine, runner, mode)
        dropped = _show_difference(call.terminal, situation)
        todo = plan.make(situation)
        if not todo.steps:
            call.terminal.line(f"nothing to do, nothing was changed: {todo.because}")
            return
        if dry_run:
            _show_plan(call.terminal, todo)
            return
        _ask_about_dropped(call, settings, dropped)
        _run(
            call,
            settings,
            engine,
            runner,
            situation,
            state,
            todo,
            Request(mode.name, reason, call.operator, _overrides(call)),
        )


def _preflight(call: Call, settings: Settings, engine: Engine, runner: Runner, mode: Mode) -> tuple[Situation, Path]:
    profile = settings.profile
    with contextlib.ExitStack() as stack:
        database = None
        if call.with_database:
            connected = documents.connect(profile, database_password(profile, call.environ))
            database = stack.enter_context(contextlib.closing(connected))
        checklist, situation, state = Preflight(
            profile, engine, runner, database, call.elsewhere, mode.also_remove(profile)
        ).look()
    _show(call.terminal, checklist)
    refusal = checklist.refusal()
    if refusal or situation is None or state is None:
        raise refusal or Refused("preflight could not be finished, nothing was touched")
    _tell_of_unended(call.terminal, state)
    return situation, state


def _tell_of_unended(terminal: Terminal, state: Path) -> None:
    """A run that was killed left things half done; what is still to do is found from the live system."""
    earlier = Store(state, local_now).latest_that_changed()
    if earlier and earlier.outcome != "done":
        how = earlier.outcome or "was killed"
        says = f"run {earlier.id} {how} before its end; this one does what is still to be done"
        terminal.item("warning", "earlier run", says)


def _show(terminal: Terminal, checklist: Checklist) -> None:
    for item in checklist.items:
        terminal.item(item.outcome, item.name, item.says)


def _show_difference(terminal: Terminal, situation: Situation) -> int:
    """What the restore would change; how many lines of other work it would drop (FACTS: Phase 1)."""
    dropped = 0
    for source in situation.restore:
        path = situation.directory / source.path
        diff = sources.difference(source, path.read_bytes() if path.exists() else b"")
        outside = sources.outside_of_change(diff, situation.profile.code)
        dropped += outside
        terminal.line(f"{source.path}: the restore changes {len(diff)} lines of diff; it drops {outside} lines that "
                      "hold none of the change's own marks")  # fmt: skip
        terminal.lines(f"  {line}" for line in diff[:DIFF_LINES_SHOWN])
        if len(diff) > DIFF_LINES_SHOWN:
            terminal.line(f"  ... and {len(diff) - DIFF_LINES_SHOWN} lines more")
    return dropped


def _ask_about_dropped(call: Call, settings: Settings, dropped: int) -> None:
    """Someone's unrelated work would go too: a person says yes, or the call does, by name. Raises Refused."""
    limit = settings.profile.limits.dropped_lines
    if dropped <= limit or call.accept_diff:
        return
    says = f"the restore drops {dropped} lines that are not the change's own, more than limits.dropped_lines, {limit}"
    if not call.terminal.ask(f"{says}; restore all the same?"):
        remedy = "look at the diff above (--dry-run shows it too); if that work may go, say --accept-diff"
        raise Refused(f"{says}; nothing was touched", remedy)


def _show_plan(terminal: Terminal, todo: Plan) -> None:
    """Every step with what one would type to do it by hand (runbook, Option 2)."""
    terminal.stage(f"Plan: {len(todo.steps)} steps; this is a dry run, nothing was touched")
    for number, step in enumerate(todo.steps, 1):
        terminal.line(f"{number}. {step.says}")
        if step.command:
            terminal.line(f"     {step.command}")


def _overrides(call: Call) -> tuple[str, ...]:
    given = {"--without-database": not call.with_database, "--accept-diff": call.accept_diff}
    return tuple(name for name, is_given in given.items() if is_given)


def _run(
    call: Call, settings: Settings, engine: Engine, runner: Runner, situation: Situation, state: Path, todo: Plan,
    request: Request,
) -> None:  # fmt: skip
    run_id = store.new_id(local_now())
    runs = Store(state, local_now, call.terminal.redactor.value)
    call.terminal.stage(f"Rollback: run {run_id}, strategy {situation.strategy}, {len(todo.steps)} steps")
    try:
        run = runs.begin(run_id)
    except OSError as error:
        raise Refused(
            f"the run's folder cannot be made, nothing was touched: {error}", "make room, or write access"
        ) from error
    context = Context(situation, engine, runner, run, call.terminal.redactor, time.monotonic, time.sleep)
    try:
        measured = execute(todo, context, request, lambda step: call.terminal.line(step.says))
    except RollbackFailed as error:
        try:
            _record_failure(call, settings, engine, store.read(run_id, run.journal.entries()), error)
        except (RollbackGateError, OSError) as second:
            call.terminal.error(f"no record of this failure could be written: {second}")
        raise
    call.terminal.line(f"interruption: {measured.says}")


def _record_failure(call: Call, settings: Settings, engine: Engine, account: RunAccount, error: RollbackFailed) -> None:
    heading = heading_of(call, settings, "rollback", engine, account)
    record = build.failed_rollback(
        heading, error.message, error.remedy, _state_of_service(settings, engine), local_now()
    )
    folder = record_folder(call, heading)
    write.write_page(folder, record, call.terminal.redactor)
    call.terminal.line(f"the record of this failure: {folder / write.HTML_NAME}")
    call.terminal.line(f"what the run has done so far is in {account.began.get('folder', 'its journal')}")


def _state_of_service(settings: Settings, engine: Engine) -> list[str]:
    deployment = settings.profile.deployment
    try:
        found = [r for name in (deployment.worker, *deployment.dependents)
                 for r in engine.containers(deployment.compose_project, name)]  # fmt: skip
    except Unreachable as error:
        return [f"unknown: {error.message}"]
    return [f"{r.service}: {r.name} is {r.condition}" for r in found] or [
        "no container of the worker or a dependent exists"
    ]


# --- verify


def verify(call: Call, since: str = "") -> ExitCode:
    """Collect, judge, record. The verdict is derived from the record that was written, never from an exit status.

    `since`: RFC 3339; the boundary where the rollback was done by hand. Raises WrongSetting, Locked.
    """
    settings = call.load()
    call.terminal.stage(f"Verify: {settings.profile.title}")
    engine = _try_connect(call)
    if isinstance(engine, Unmeasured):
        return _verify(call, settings, engine, since)
    with contextlib.closing(engine), lock_of(call, settings, engine, "verify"):
        return _verify(call, settings, engine, since)


def _try_connect(call: Call) -> Engine | Unmeasured:
    try:
        return engines.connect(call.environ)
    except Unreachable as error:
        return Unmeasured("the deployment", str(error))


def _verify(call: Call, settings: Settings, engine: Engine | Unmeasured, since: str) -> ExitCode:
    account, replicas = _last_run(call, settings, engine)
    judged = _judged(settings, account, replicas, since)
    heading = heading_of(call, settings, "verify", engine, account if judged.run_id else None)
    folder = record_folder(call, heading)
    write.write_page(folder, build.unfinished(heading, "verify has begun and has not ended"), call.terminal.redactor)
    count = max(settings.profile.deployment.replicas, len(replicas))
    slots = tuple(f"replica-{number + 1}" for number in range(count))
    request = GateRequest(call.profile_path, call.settings_given, folder, slots, judged, call.with_database, heading)
    environ = call.environ if isinstance(engine, Unmeasured) else engine.environment
    trouble = run_suite(request, call.root, environ, settings.profile.limits.verify_s)
    return _conclude(call, folder, heading, trouble)


def _conclude(call: Call, folder: Path, heading: Heading, trouble: str) -> ExitCode:
    """What the record on disk says. A suite that was killed or broke down has left none of its own."""
    if trouble:
        record = build.unfinished(heading, f"verify did not end: {trouble}")
        write.write_page(folder, record, call.terminal.redactor)
    record = write.read_json(folder)
    judgement = build.verdict_of(record)
    for finding in judgement.findings:
        title = heading.titles.get(finding.check, finding.check)
        call.terminal.item(finding.outcome.value, title, finding.reason)
    reason = record["reason"] if trouble else judgement.reason
    call.terminal.verdict(judgement.verdict, reason)
    call.terminal.line(f"record: {folder / write.HTML_NAME}")
    call.terminal.line(f"sha256 of {write.JSON_NAME}: {write.digest(folder)}")
    return EXIT_OF_VERDICT[judgement.verdict]


def _last_run(
    call: Call, settings: Settings, engine: Engine | Unmeasured
) -> tuple[RunAccount | None, tuple[Replica, ...]]:
    """The newest run of this deployment that changed something, wherever its state lives; and the replicas."""
    if isinstance(engine, Unmeasured):
        return None, ()
    deployment = settings.profile.deployment
    places = state_folders(call, settings, deployment_id(settings, engine))
    accounts = [account for place in places if (account := Store(place, local_now).latest_that_changed())]
    try:
        replicas = engine.containers(deployment.compose_project, deployment.worker)
    except Unreachable:
        replicas = ()  # the suite asks again, and its readings say that nobody answered
    return max(accounts, key=lambda account: account.id, default=None), replicas


def _judged(settings: Settings, account: RunAccount | None, replicas: tuple[Replica, ...], since: str) -> Judged:
    """The run is judged only while every replica is one that it started; else what is there, as it was found."""
    boundary = _since(since)
    started = {replica.id: one for replica in replicas
               if account and (one := started_by_run(replica, account.started))}  # fmt: skip
    if account and replicas and boundary is None and len(started) == len(replicas):
        return Judged(account.id, account.source_digests, started)
    return Judged(None, _source_digests(settings), started if boundary is None else {}, boundary)


def _since(text: str) -> Instant | None:
    try:
        return Instant.parse(text) if text else None
    except ValueError as error:
        raise WrongSetting(f"--since {text}: {error}", "for example --since 2026-01-21T14:05:00Z") from error


def _source_digests(settings: Settings) -> dict[str, str] | Unmeasured:
    """After a rollback by hand: what the newest backup that is old code holds."""
    profile = settings.profile
    directory = profile.deployment.project_directory
    try:
        found = [sources.newest_old(directory, file, profile.code) for file in profile.code.restore]
    except (RollbackGateError, OSError) as error:
        return Unmeasured("the source", error.message if isinstance(error, RollbackGateError) else str(error))
    return {source.path: source.digest for source in found}
