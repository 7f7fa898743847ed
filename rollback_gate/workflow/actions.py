"""`invoke actions`: list the actions due after the newest rollback, and record those that are done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError, Unreachable, WrongSetting
from rollback_gate.model import ExitCode, Unmeasured
from rollback_gate.profile.afterwards import Action
from rollback_gate.profile.load import Settings
from rollback_gate.record import actions, find, seal
from rollback_gate.record.actions import Done
from rollback_gate.workflow import published
from rollback_gate.workflow.call import Call, local_now

_HEADINGS = ("Done", "Due", "Id", "What", "Who, when")


def show(call: Call) -> ExitCode:
    """Lists the actions by when they are due; GO even while some are left. Raises WrongSetting, Unreachable."""
    settings = call.load()
    _, record = newest(call, settings)
    done = {one.action: one for one in _done(call, record)}
    call.terminal.stage(f"Actions after {record['change']}, {actions.subject_of(record).rpartition(' ')[2]}")
    listed = settings.profile.actions
    call.terminal.table(_HEADINGS, (_row(a, done.get(a.id)) for a in listed), whole=("Done", "Id"))
    left = [action.id for action in listed if action.id not in done]
    call.terminal.line(f"left: {', '.join(left)}" if left else "all done")
    if left:
        call.terminal.line("→ invoke actions.done ID --by WHO --note WHERE-TO-READ-IT")
    return ExitCode.GO


def done(call: Call, item: str, by: str, note: str) -> ExitCode:
    """Records that an action was done: by whom, and who recorded it. Raises WrongSetting, Unreachable."""
    settings = call.load()
    known = {action.id: action for action in settings.profile.actions}
    if item not in known:
        raise WrongSetting(
            f"there is no action {item}", f"one of {', '.join(known)}" if known else "the profile has none"
        )
    folder, record = newest(call, settings)
    who = by.strip() or call.operator
    if known[item].is_approval and {who, call.operator} & actions.operators_of(record):
        same = ", ".join(sorted({who, call.operator} & actions.operators_of(record)))
        raise WrongSetting(
            f"{same} rolled back: the approval must come from another person",
            "another person has to note it",
        )
    note_done(call, folder, record, Done(item, who, call.operator, str(local_now()), note))
    call.terminal.item("ok", known[item].says, f"done by {who}")
    return ExitCode.GO


def note_done(call: Call, folder: Path, record: Mapping[str, Any], one: Done) -> None:
    """Writes the entry beside the record, with all earlier entries of its run. Raises WrongSetting, Unreachable."""
    if call.key is None and actions.is_signed(folder):
        says = f"{folder / actions.NAME} is signed: without a key what it holds would not be signed any more"
        raise WrongSetting(says, f"set {seal.KEY_VARIABLE} to the key that it was signed with")
    earlier = [other for other in _done(call, record) if other.action != one.action]
    clean = call.terminal.redactor.value
    entries = [Done(**seal.printable(clean(vars(entry)))) for entry in (*earlier, one)]
    try:
        with published.Folder.of(folder).opened() as inside:
            actions.keep(inside, actions.subject_of(record), entries, call.key)
    except OSError as error:
        raise Unreachable(f"{folder / actions.NAME} cannot be written: {error.strerror}", "run as its owner") from error


def try_to_note(call: Call, settings: Settings, item: str, note: str, run_id: str = "") -> None:
    """Records what a task of this tool did; a failure is only a warning. `run_id`: only for that run, "" for any."""
    if item not in {action.id for action in settings.profile.actions}:
        return
    try:
        folder, record = newest(call, settings)
        if run_id and (record.get("run") or {}).get("id") != run_id:
            return
        note_done(call, folder, record, Done(item, call.operator, call.operator, str(local_now()), note))
    except RollbackGateError as error:
        call.terminal.item("warning", item, f"could not be noted as done: {error}")


def newest(call: Call, settings: Settings) -> tuple[Path, Mapping[str, Any]]:
    """The newest record of this project and profile. Needs no engine. Raises WrongSetting, Unreachable."""
    profile = settings.profile
    mine = f"/{profile.deployment.project}/{profile.name}"
    found = find.newest(call.reports, lambda theirs: theirs.endswith(mine), call.key)
    if found is None:
        raise WrongSetting(f"there is no record of {mine[1:]} in {call.reports}", "invoke verify")
    folder, seen = found
    if not seen.record or seen.was_altered:
        raise Unreachable(
            f"the newest record, {folder.name}, cannot be relied on", "invoke record.check, or verify again"
        )
    return folder, seen.record


def _done(call: Call, record: Mapping[str, Any]) -> tuple[Done, ...]:
    found = actions.done_in(call.reports, actions.subject_of(record), call.key)
    if isinstance(found, Unmeasured):
        raise Unreachable(str(found), "restore the file, or move it away and note the actions again")
    return found


def _row(action: Action, one: Done | None) -> tuple[str, ...]:
    if one is None:
        return "no", action.due, action.id, action.says, ""
    whose = one.by if one.by == one.noted_by else f"{one.by} (noted by {one.noted_by})"
    return "yes", action.due, action.id, action.says, f"{whose}, {one.at[:19]}Z{': ' if one.note else ''}{one.note}"
