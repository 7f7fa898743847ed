"""`invoke record.*`: the records that verify and rollbacks wrote."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import calling, leave
from rollback_gate.tasks.options import REQUIRED, task_with

WHICH: dict[str, Any] = {"record": ("newest", "which record, by its id or folder; --record may be left out")}


@task_with(
    {"record": ("newest", "by its id, or report.html or report.json by path or URL; --record may be left out")},
    word="record",
)
def check(given: Any) -> None:
    """Check whether a record is unaltered, follows from its own evidence, and is signed."""
    from rollback_gate.workflow.gate import record_check

    with calling(given) as call:
        code = record_check(call, given.record)
    leave(code)


@task_with(name="list")
def list_all(given: Any) -> None:
    """List all records, newest first: verdict, project, whether it is unaltered, reason."""
    from rollback_gate.workflow.records import list_records

    with calling(given) as call:
        leave(list_records(call))


@task_with(WHICH, word="record")
def show(given: Any) -> None:
    """Show one record in the terminal: verdict, who, why, interruption, what did not pass, next steps."""
    from rollback_gate.workflow import records

    with calling(given) as call:
        leave(records.show(call, given.record))


@task_with(WHICH, name="open", word="record")
def open_page(given: Any) -> None:
    """Open one record's page in the browser of this machine."""
    import webbrowser

    from rollback_gate.workflow.records import open_record

    with calling(given) as call:
        leave(open_record(call, given.record, webbrowser.open))


@task_with(name="chain")
def sign_chain(given: Any) -> None:
    """Sign the current list of records, beside the newest one, for a gate on another machine."""
    from rollback_gate.workflow import records

    with calling(given) as call:
        leave(records.sign_chain(call))


@task_with(
    {
        "keep": (REQUIRED, "how many of each deployment stay; its newest GO stays besides"),
        "dry_run": (False, "only say what would go"),
    },
    positional=(),
)
def prune(given: Any) -> None:
    """Remove old records; keep each deployment's newest, its newest GO, and those with recorded actions."""
    from rollback_gate.errors import WrongSetting
    from rollback_gate.workflow import records

    with calling(given) as call:
        if not str(given.keep).isdecimal():
            raise WrongSetting(f"--keep {given.keep}: must be a number", "for example --keep 20")
        leave(records.prune(call, int(given.keep), given.dry_run))
