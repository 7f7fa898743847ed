"""What people see while it runs: colours on a terminal, plain lines elsewhere, redacted everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.text import Text

from rollback_gate.model import Verdict
from rollback_gate.record.seal import printable
from rollback_gate.redaction import Redactor

_STYLES = {
    "ok": "green",
    "warning": "yellow",
    "refused": "bold red",
    "passed": "green",
    "failed": "bold red",
    "inconclusive": "yellow",
    "GO": "bold green",
    "NO-GO": "bold red",
    "INCONCLUSIVE": "bold yellow",
}
_MARKS = {"ok": "✔", "warning": "!", "refused": "✘", "passed": "✔", "failed": "✘", "inconclusive": "?"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """`| head`, a dying tee: whoever read is gone. rich would end the process, in the middle of a rollback."""


class Terminal:
    """Lines to `file`. Where it is no terminal, rich leaves out colours and does not wrap."""

    def __init__(self, file: TextIO, redactor: Redactor) -> None:
        self._console = _Console(file=file, highlight=False, soft_wrap=True)
        self.redactor = redactor

    def stage(self, text: str) -> None:
        self._print(text, "bold")

    def line(self, text: str) -> None:
        self._print(f"  {text}", "")

    def item(self, outcome: str, name: str, says: str) -> None:
        self._print(f"  {_MARKS[outcome]} {name}: {says}", _STYLES[outcome] if outcome != "ok" else "")

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def verdict(self, verdict: Verdict, reason: str) -> None:
        self._print(f"{verdict}: {reason}", _STYLES[verdict.value])

    def error(self, text: str) -> None:
        self._print(f"error: {text}", "bold red")

    def ask(self, question: str) -> bool:
        """Yes only by someone at a terminal who says so; where nobody can answer, no."""
        if not (sys.stdin.isatty() and self._console.is_terminal):
            return False
        self._print(f"{question} [y/N] ", "bold yellow")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def choose(self, question: str, answers: tuple[str, ...]) -> str:
        """One of the answers, by its first letter or whole; the last one where the input has ended."""
        while True:
            self._print(f"  {question} {' '.join(f'[{a[0]}]{a[1:]}' for a in answers)} ", "bold yellow")
            line = sys.stdin.readline()
            said = line.strip().lower()
            for answer in answers:
                if said in (answer, answer[0]):
                    return answer
            if not line:
                return answers[-1]

    def _print(self, text: str, style: str) -> None:
        with suppress(OSError):
            self._console.print(Text(printable(self.redactor.text(text)), style=style))
