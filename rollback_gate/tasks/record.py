"""`invoke record.*`: the records that verify and the rollbacks wrote."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import calling, leave
from rollback_gate.tasks.options import REQUIRED, task_with


@task_with({"file": (REQUIRED, "report.html or report.json, by path or URL")}, positional=("file",))
def check(given: Any) -> None:
    """Tell whether a record is unaltered, follows from its own evidence, and is signed."""
    from rollback_gate.workflow.gate import record_check

    with calling(given) as call:
        code = record_check(call, given.file)
    leave(code)
