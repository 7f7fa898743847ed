"""Verify: collect, judge, record, in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rollback_gate.change import backups, snapshots
from rollback_gate.change.content import SETTING
from rollback_gate.change.goal import Direction, ModeName
from rollback_gate.change.reading import Baseline
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.evidence.boundary import started_by_run
from rollback_gate.evidence.deployed import by_backups
from rollback_gate.evidence.judged import Judged
from rollback_gate.instant import Instant
from rollback_gate.model import EXIT_OF_VERDICT, ExitCode, Finding, Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.load import Settings
from rollback_gate.record import actions, build, next_steps, seal, write
from rollback_gate.record.build import Heading
from rollback_gate.rollback import goals
from rollback_gate.rollback.look import digest_of
from rollback_gate.rollback.plan import Kind
from rollback_gate.rollback.stopping import ending_as_an_error
from rollback_gate.rollback.store import RunAccount, runs_in, standing_in
from rollback_gate.suite import own
from rollback_gate.suite import run as suite
from rollback_gate.suite.request import GateRequest, slots_of
from rollback_gate.suite.run import Left, Suite
from rollback_gate.workflow import assessments, published
from rollback_gate.workflow.before import before_of
from rollback_gate.workflow.call import (
    Call,
    heading_of,
    lock_of,
    moment_given,
    probe_memories,
    stores_of,
)
from rollback_gate.workflow.published import Folder

_MOST_CLAIMS = 3


@dataclass(frozen=True)
class Verified:
    """The outcome of verify, and where its record is. `record`: report.json as a table."""

    code: ExitCode
    page: Path
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Wish:
    """What the operator asked for. `since`: RFC 3339; the boundary after a rollback by hand.

    `partial`: that rollback kept the new modules. `keep_going`: measure everything, even if the verdict is NO-GO
    already.
    """

    since: str = ""
    partial: bool = False
    keep_going: bool = False


def verify(call: Call, wish: Wish = Wish()) -> Verified:
    """Collects, judges, records. The verdict follows from the written record, never from an exit status.

    Raises WrongSetting, Locked, Unreachable.
    """
    settings = call.load()
    call.terminal.stage(f"Verify: {settings.profile.title}")
    engine = _try_connect(call, settings)
    environ = call.environ if isinstance(engine, Unmeasured) else engine.environment
    with contextlib.ExitStack() as stack:
        stack.enter_context(ending_as_an_error())
        if not isinstance(engine, Unmeasured):
            stack.enter_context(contextlib.closing(engine))
            stack.enter_context(lock_of(call, settings, engine, "verify"))
        running = stack.enter_context(suite.started(call.root, settings.profile, environ))
        if not isinstance(engine, Unmeasured):
            with contextlib.suppress(Unreachable):  # the checks report it
                images.sweep_everywhere(engine, settings.profile.deployment.project)  # left by a killed look
        return _verify(call, settings, engine, wish, running)


def _try_connect(call: Call, settings: Settings) -> Engines | Unmeasured:
    try:
        return connect(settings.profile, call.environ)
    except Unreachable as error:
        return Unmeasured("the deployment", str(error))


def _verify(call: Call, settings: Settings, engine: Engines | Unmeasured, wish: Wish, running: Suite) -> Verified:
    account, unended, replicas = _runs(call, settings, engine)
    judged = _judged(settings, account, replicas, wish.since, wish.partial)
    began = account.began_at if account and judged.run_id else judged.since or _first_start(replicas)
    judged = replace(
        judged,
        baseline=_baseline(call, settings, engine, began),
        deployed_at=_deployed_at(call, settings, began),
        ill_before=_ill_before(call, settings, engine, account, began),
        kept_before=account.began.get("kept", {}) if account and judged.run_id else {},
        reverted_at=_reverted_at(settings, account),
    )
    heading = heading_of(call, settings, "verify", engine, account if judged.run_id else None)
    heading = replace(heading, unended_run=unended)
    if account:
        heading = replace(heading, rolled_back_by=actions.operators_of_run(build.run_of(account)))
    if account and judged.run_id:
        kept = Path(account.began["folder"])
        heading = replace(heading, before=before_of(kept), assessment=assessments.read(kept))
    heading, folder = published.begin(call, heading)
    try:
        published.publish(call, folder, build.unfinished(heading, "verify has begun and has not ended"))
    except OSError as error:
        raise Unreachable(
            f"{folder.path} cannot be written: {error.strerror or error}",
            "find out what else writes there, and verify again",
        ) from error
    slots = slots_of(settings.profile, replicas, _unseen(settings, engine))
    memories = probe_memories(call, settings, engine)
    request = GateRequest(settings.profile, slots, judged, call.with_database, heading, memories, wish.keep_going)
    request = replace(request, own=own.folder_of(call.profile_path))
    try:
        left = running.judge(request, settings.profile.limits.verify_s)
    except KeyboardInterrupt:
        left = suite.Left("it was interrupted from the keyboard", {}, "", "", "")
    record, trouble = _judged_record(request, left, folder.path)
    _beside(call, folder, left)
    try:
        written = published.publish(call, folder, record, "" if trouble else left.page)
    except (OSError, ValueError) as error:
        why = f"the record could not be written in {folder.path}: {error}"
        return _unpublished(call, heading, record, trouble, why)
    except RollbackGateError as error:
        return _unpublished(call, heading, record, trouble, str(error))
    return _told(call, folder, heading, written, trouble)


def _judged_record(request: GateRequest, left: Left, folder: Path) -> tuple[Mapping[str, Any], str]:
    """The record that follows from the suite's results; and why it has no verdict of its own, "" if it has one."""
    trouble = left.trouble
    if not trouble:
        try:
            return build.of_suite(request.heading, request.slots, left.judged), ""
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            trouble = f"what it has left is no record ({error}); {folder / write.LOG_NAME} may say why"
    return build.unfinished(request.heading, f"verify did not end: {trouble}"), trouble


def _beside(call: Call, folder: Folder, left: Left) -> None:
    """Writes output and JUnit file. They are optional: failing to write them does not affect the verdict."""
    with contextlib.suppress(OSError), folder.opened() as inside:
        write.write_beside(inside / write.LOG_NAME, left.log, call.terminal.redactor)
        if left.junit:
            write.write_beside(inside / write.JUNIT_NAME, left.junit, call.terminal.redactor)


def _unpublished(call: Call, heading: Heading, record: Mapping[str, Any], trouble: str, why: str) -> Verified:
    """Reports the result anyway; a GO without a published record becomes INCONCLUSIVE."""
    told = _told(call, None, heading, call.terminal.redactor.value(dict(record)), trouble)
    call.terminal.error(why)
    return replace(told, code=ExitCode.INCONCLUSIVE if told.code is ExitCode.GO else told.code)


def _told(call: Call, folder: Folder | None, heading: Heading, record: Mapping[str, Any], trouble: str) -> Verified:
    """Shows the record in the terminal. `folder`: None if it could not be written."""
    judgement = build.verdict_of(record)
    reason = record["reason"] if trouble else judgement.reason
    for finding in judgement.findings:
        title = heading.titles.get(finding.check, finding.check)
        says = "" if finding.reason == reason else f"{finding.reason} "  # shown with the verdict
        call.terminal.item(finding.outcome.value, title, f"{says}({finding.tally})" if says else finding.tally)
        call.terminal.lines(evidence_of(finding))
    call.terminal.verdict(judgement.verdict, judgement.headline, reason, judgement.notes)
    for check, why in record["scope"]["not_asked"].items():
        call.terminal.line(f"not asked: {heading.titles.get(check, check)} ({why})")
    if heading.unended_run:
        call.terminal.line(f"→ {next_steps.resume(heading.unended_run)}")
    code = EXIT_OF_VERDICT[judgement.verdict]
    if folder is None:
        return Verified(code, Path(), record)
    page = folder.path / write.HTML_NAME
    call.terminal.line(f"record: {page}")
    signed = f", signed with key {call.key.name}" if call.key else ", not signed"
    call.terminal.line(f"sha256 of {write.JSON_NAME}: {seal.digest(seal.canonical(record))}{signed}")
    return Verified(code, page, record)


def evidence_of(finding: Finding) -> list[str]:
    """The first claims that decided a check that did not pass, with their evidence."""
    deciding = [claim for claim in finding.claims if not claim.passed and claim.outcome is finding.outcome]
    deciding = [claim for claim in deciding if f"{claim.subject}: {claim.says}" != finding.reason]
    shown = [f"  {claim.subject}: {claim.says}" for claim in deciding[:_MOST_CLAIMS]]
    return [
        *shown,
        *([f"  and {len(deciding) - len(shown)} more, in the record"] if len(deciding) > len(shown) else []),
    ]


def _runs(
    call: Call, settings: Settings, engine: Engines | Unmeasured
) -> tuple[RunAccount | None, str, tuple[Replica, ...]]:
    """The newest run that made changes, in any state directory; the unended run's id, "" for none; the replicas."""
    if isinstance(engine, Unmeasured):
        return None, "", ()
    runs = runs_in(stores_of(call, settings, engine))
    changed = [account for _, account in runs if account.changed]
    unended = [account.id for _, account in standing_in(runs)[-1:] if account.is_unended]
    try:
        replicas = Deployed(settings.profile, engine).carriers()
    except Unreachable:
        replicas = ()  # the suite asks again, and its readings report it
    return changed[-1] if changed else None, next(iter(unended), ""), replicas


def _unseen(settings: Settings, engine: Engines | Unmeasured) -> Mapping[str, tuple[Unmeasured, ...]]:
    """By service, replicas that may exist where nobody could be asked."""
    if isinstance(engine, Unmeasured):
        return {}
    try:
        return Deployed(settings.profile, engine).unseen()
    except Unreachable:
        return {}  # the suite asks again, and its readings report it


def _judged(
    settings: Settings, account: RunAccount | None, replicas: tuple[Replica, ...], since: str, partial: bool
) -> Judged:
    """The run is judged only while it started every consuming replica; otherwise the replicas are judged as found."""
    boundary = moment_given(since)
    standing = account if account and account.direction is Direction.ROLLBACK else None
    keeps = partial or bool(standing and standing.mode.name is ModeName.PARTIAL)
    started = {
        replica.id: one for replica in replicas if standing and (one := started_by_run(replica, standing.started))
    }
    consuming = [replica for replica in replicas if replica.service == settings.profile.consumer]
    if standing and consuming and boundary is None and all(replica.id in started for replica in consuming):
        return Judged(standing.id, standing.source_digests, started, partial=keeps)
    digests = standing.source_digests if standing and _is_in_place(settings, standing) else _source_digests(settings)
    return Judged(None, digests, started if boundary is None else {}, boundary, keeps)


def _first_start(replicas: tuple[Replica, ...]) -> Instant | None:
    return min((replica.started_at for replica in replicas if replica.started_at), default=None)


def _baseline(call: Call, settings: Settings, engine: Engines | Unmeasured, until: Instant | None) -> Baseline | None:
    """The baseline from the newest snapshot of the old code; snapshots without one are reported."""
    wanted = settings.profile.completeness
    if isinstance(engine, Unmeasured) or until is None or wanted is None:
        return None
    folders = [store.snapshots for store in stores_of(call, settings, engine)]
    found, passed_over = snapshots.baseline(folders, settings.profile.files, wanted.minimum_sample, until)
    for says in passed_over:
        call.terminal.item("warning", "baseline", f"{says}: not used")
    return found


def _deployed_at(call: Call, settings: Settings, until: Instant | None) -> Instant | None:
    """When the change was deployed, by the newest backup older than `until`; None if no backup shows it."""
    newest = max((made for made in by_backups(settings.profile) if until is None or made.at < until), default=None)
    if newest and newest.doubt:
        call.terminal.item("warning", newest.name, newest.doubt)
    return newest.at if newest else None


def _ill_before(
    call: Call, settings: Settings, engine: Engines | Unmeasured, account: RunAccount | None, until: Instant | None
) -> dict[str, str]:
    """Per service whose health check failed before: before the rollback (journal) or the change (snapshot)."""
    if isinstance(engine, Unmeasured) or until is None:
        return {}
    by_run = dict.fromkeys(account.began.get("ill", ()) if account else (), "the rollback")
    folders = [store.snapshots for store in stores_of(call, settings, engine)]
    return by_run | dict.fromkeys(snapshots.ill_services(folders, settings.profile.files, until), "the change")


def _reverted_at(settings: Settings, account: RunAccount | None) -> Instant | None:
    """When the run began whose files are in place: replicas started earlier had other files behind their mounts."""
    if account is None or account.direction is not Direction.ROLLBACK or account.began["strategy"] != Strategy.BIND:
        return None
    before = account.began["before"]
    others = any(before.get(path) != digest for path, digest in account.source_digests.items())
    is_reverted = others or bool(account.done(Kind.QUARANTINE))
    return Instant.parse(account.began["engine_time"]) if is_reverted and _is_in_place(settings, account) else None


def _is_in_place(settings: Settings, account: RunAccount) -> bool:
    """True if the files that the run restored are still in place, even if the worker was restarted since."""
    directory = settings.profile.deployment.project_directory
    rows, kinds = account.source_digests.items(), account.began["kinds"]
    try:
        written = [row for row in rows if kinds[row[0]] != SETTING and goals.is_written(account, row[0])]
        return all(digest_of(directory / path) == digest for path, digest in written)
    except OSError:
        return False


def _source_digests(settings: Settings) -> dict[str, str] | Unmeasured:
    """After a rollback by hand: the digests in the newest backup that is old code."""
    profile = settings.profile
    directory = profile.deployment.project_directory
    try:
        found = [backups.newest_old(directory, file) for file in profile.files]
    except (RollbackGateError, OSError) as error:
        return Unmeasured("the source", error.message if isinstance(error, RollbackGateError) else str(error))
    return {source.path: source.digest for source in found}
