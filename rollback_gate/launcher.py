"""How the operator calls this tool: printed commands must work when they are pasted.

Our texts name commands as `invoke TASK`, and invoke may not be on the PATH.
"""

from __future__ import annotations

import re

DEFAULT = "invoke"
VARIABLE = "ROLLBACK_GATE_LAUNCHER"
# A command of ours begins a text or line, stands in backticks, or follows a word or mark that introduces one.
# Anywhere else the two words may come from elsewhere: a reason, a log line, a file name.
_MARKS = ("→ ", "`", ": ", "; ", ", ", "$ ", "1. ", "2. ", "then ", "or ", "and ", "run ", "which ", "<code>")
_BEFORE = rf"(?:^|{'|'.join(f'(?<={re.escape(mark)})' for mark in _MARKS)})"
_TASKS = (
    r"(?:(?:rollback|record|actions|ticket|probes|profile|lab)(?:\.[a-z-]+)?|assess|preflight|snapshot|verify|gate|demo|selftest|mutate|"
    r"lint|test|bench)"
)
_COMMAND = re.compile(rf"{_BEFORE}invoke (?={_TASKS}(?![\w-]))", re.MULTILINE)


def as_called(text: str, launcher: str) -> str:
    """The text with each of our commands as `launcher` calls it, for example `rollback-gate verify`."""
    return text if launcher == DEFAULT else _COMMAND.sub(lambda _: f"{launcher} ", text)
