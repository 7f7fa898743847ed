"""`invoke probes.*`: the gate's own test documents."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import COMMON, calling
from rollback_gate.tasks.options import task_with


@task_with(COMMON)
def sweep(given: Any) -> None:
    """Remove traces of test documents that the queue delivered after their verify had ended."""
    from rollback_gate.workflow import probes
    from rollback_gate.workflow.session import opened

    with calling(given) as call, opened(call, "probes.sweep") as session:
        call.terminal.line(probes.in_words(probes.sweep(session)))
