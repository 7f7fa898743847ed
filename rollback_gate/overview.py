"""Looking without touching: backups, earlier runs, and what runs now (runbook, Quick Reference)."""

from __future__ import annotations

import contextlib

from rollback_gate.call import Call, deployment_id, local_now, state_folders
from rollback_gate.deployment import engine as engines
from rollback_gate.deployment.replica import Replica
from rollback_gate.model import ExitCode
from rollback_gate.rollback import sources
from rollback_gate.rollback.store import RunAccount, Store


def backups(call: Call) -> ExitCode:
    """Every backup, newest first, what it really is, and which one a rollback would take. Raises WrongSetting."""
    profile = call.load().profile
    found_any = True
    for restored in profile.code.restore:
        found = sources.candidates(profile.deployment.project_directory, restored, profile.code)
        call.terminal.stage(f"Backups of {restored.path}: {len(found)}")
        chosen = next((c for c in found if c.content is sources.Content.OLD), None)
        for candidate in found:
            mark = "ok" if candidate is chosen else "warning"
            taken = ", a rollback would take this one" if candidate is chosen else ""
            call.terminal.item(mark, candidate.path.name, f"{candidate.content} ({candidate.why}){taken}")
        if chosen is None:
            found_any = False
            call.terminal.item("refused", restored.path, "no backup is old code: a rollback would be refused")
    return ExitCode.GO if found_any else ExitCode.REFUSED


def history(call: Call) -> ExitCode:
    """All runs of this deployment, oldest first. Raises WrongSetting, Unreachable."""
    settings = call.load()
    with contextlib.closing(engines.connect(call.environ)) as engine:
        folders = state_folders(call, settings, deployment_id(settings, engine))
    accounts = sorted((a for folder in folders for a in Store(folder, local_now).accounts()), key=lambda a: a.id)
    call.terminal.stage(f"Runs of this deployment: {len(accounts)}")
    for account in accounts:
        call.terminal.item("ok" if account.outcome == "done" else "warning", account.id, _in_words(account))
    return ExitCode.GO


def status(call: Call) -> ExitCode:
    """What runs now, and the newest run. Judges nothing: that is verify's. Raises WrongSetting, Unreachable."""
    settings = call.load()
    deployment = settings.profile.deployment
    with contextlib.closing(engines.connect(call.environ)) as engine:
        call.terminal.stage(f"{deployment.compose_project} at {engine.host}")
        for service in (deployment.worker, *deployment.dependents):
            found = engine.containers(deployment.compose_project, service)
            for replica in found:
                call.terminal.item("ok" if replica.is_running else "warning", replica.name, _state(replica))
            if not found:
                call.terminal.item("warning", service, "has no container")
        folders = state_folders(call, settings, deployment_id(settings, engine))
    newest = max((a for f in folders for a in Store(f, local_now).accounts()), key=lambda a: a.id, default=None)
    call.terminal.line(f"newest run: {newest.id}, {_in_words(newest)}" if newest else "no run is known")
    call.terminal.line("this is no judgement: invoke verify")
    return ExitCode.GO


def _state(replica: Replica) -> str:
    since = f" since {replica.started_at.short}" if replica.started_at and replica.is_running else ""
    health = f", {replica.health}" if replica.health else ""
    return f"{replica.condition}{since}{health}, image {replica.image_id[7:19]}"


def _in_words(account: RunAccount) -> str:
    outcome = account.outcome or "was killed before its end"
    done = sum(step["outcome"] == "done" for step in account.steps)
    who, why = account.began.get("operator", "unknown"), account.began.get("reason") or "no reason given"
    return f"{outcome}, {done} of {len(account.began.get('plan', ()))} steps, by {who}: {why}"
