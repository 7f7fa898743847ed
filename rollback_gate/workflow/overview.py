"""Read-only views: backups, earlier runs, and what runs now (runbook, Quick Reference)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rollback_gate.change import backups as backups_of
from rollback_gate.change.backups import Candidate
from rollback_gate.change.content import Content
from rollback_gate.errors import Unreachable
from rollback_gate.model import ExitCode
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.load import Settings
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import store
from rollback_gate.rollback.store import RunAccount, runs_in
from rollback_gate.workflow.call import Call, stores_of


def backups(call: Call) -> ExitCode:
    """Lists every backup, newest first, with its content and which one a rollback would use. Raises WrongSetting."""
    settings = call.load()
    profile = settings.profile
    folders = _snapshots(call, settings)
    found_any = True
    for restored in profile.files:
        kept = [c for folder in folders for c in backups_of.in_snapshots(folder, restored)]
        found = backups_of.candidates(profile.deployment.project_directory, restored, kept)
        call.terminal.stage(f"Backups of {restored.path}: {len(found)}")
        chosen = backups_of.best_of(found)
        for candidate in found:
            mark = "ok" if candidate.content is Content.OLD and not candidate.trouble else "warning"
            why = candidate.trouble or candidate.why
            taken = ", a rollback would take this one" if candidate is chosen else ""
            call.terminal.item(mark, _name(candidate, profile), f"{candidate.content} ({why}){taken}")
        if chosen is None:
            found_any = False
            call.terminal.item(
                "refused", restored.path, "no backup is whole old code: a rollback would look in git and in images"
            )
    return ExitCode.GO if found_any else ExitCode.REFUSED


def _snapshots(call: Call, settings: Settings) -> tuple[Path, ...]:
    """The folders of snapshots. Without the engine they are unknown; the team's own backups are listed anyway."""
    try:
        with contextlib.closing(connect(settings.profile, call.environ)) as engine:
            return tuple(store.snapshots for store in stores_of(call, settings, engine))
    except Unreachable:
        call.terminal.item("warning", "snapshots", "not listed: no Docker Engine answers")
        return ()


def _name(candidate: Candidate, profile: Profile) -> str:
    """The path in full for a copy in a snapshot, whose file name is not unique."""
    directory = profile.deployment.project_directory
    parts = candidate.path.relative_to(directory).parts if candidate.path.is_relative_to(directory) else ()
    return candidate.path.name if parts and parts[0] != store.FOLDER else str(candidate.path)


def history(call: Call) -> ExitCode:
    """Lists all runs of this deployment, oldest first. Raises WrongSetting, Unreachable."""
    settings = call.load()
    with contextlib.closing(connect(settings.profile, call.environ)) as engine:
        accounts = [account for _, account in runs_in(stores_of(call, settings, engine))]
    call.terminal.stage(f"Runs of this deployment: {len(accounts)}")
    for account in accounts:
        call.terminal.item("warning" if account.is_unended else "ok", account.id, _in_words(account))
    return ExitCode.GO


def status(call: Call) -> ExitCode:
    """Shows what runs now and the newest run, without judging: verify does that. Raises WrongSetting, Unreachable."""
    settings = call.load()
    deployment = settings.profile.deployment
    with contextlib.closing(connect(settings.profile, call.environ)) as engine:
        call.terminal.stage(f"{deployment.project} at {engine.host}")
        for service, found in Deployed(settings.profile, engine).by_service().items():
            for replica in found:
                is_well = replica.is_running and not replica.is_ill
                call.terminal.item("ok" if is_well else "warning", replica.place, _state(replica))
            if not found:
                call.terminal.item("warning", service, "has no container")
        for unseen in Deployed(settings.profile, engine).unseen().values():
            for one in unseen:
                call.terminal.item("warning", one.what, one.reason)
        newest = next((account for _, account in reversed(runs_in(stores_of(call, settings, engine)))), None)
    call.terminal.line(f"newest run: {newest.id}, {_in_words(newest)}" if newest else "no run is known")
    call.terminal.line("this judges nothing: `invoke verify` does")
    return ExitCode.GO


def _state(replica: Replica) -> str:
    since = f" since {replica.started_at.short}" if replica.started_at and replica.is_running else ""
    health = f", {replica.health}" if replica.health else ""
    if replica.check_cannot_run:
        health = ", its health check cannot run"
    return f"{replica.condition}{since}{health}, image {replica.image_id[7:19]}"


def _in_words(account: RunAccount) -> str:
    """Each attempt with its operator and reason: the operator who ends a run is often not the one who began it."""
    parts = [
        f"{attempt['what']}, {attempt['steps']} steps, by {attempt['operator']}: "
        f"{attempt['reason'] or 'no reason given'}"
        for attempt in account.attempts
    ]
    return f"{account.mode.name}, {account.in_words} ({'; '.join(parts)})"
