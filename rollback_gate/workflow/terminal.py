"""Terminal output: colours on a terminal, plain lines elsewhere, redacted everywhere."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollback_gate.launcher import DEFAULT, as_called
from rollback_gate.model import Decision, Verdict
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
    Decision.ROLL_BACK.value: "bold red",
    Decision.FIX_UPSTREAM.value: "bold red",
    Decision.INVESTIGATE.value: "bold yellow",
    Decision.CANNOT_TELL.value: "bold yellow",
    Decision.WAIT.value: "yellow",
    Decision.KEEP.value: "bold green",
}
_WIDTH = 160
_LEAST = 10  # minimum width of a column that may wrap
_MARKS = {"ok": "✔", "warning": "!", "refused": "✘", "passed": "✔", "failed": "✘", "inconclusive": "?"}

_PLAIN = str.maketrans({"✔": "+", "✘": "x", "→": ">", "…": "...", "·": "-", "×": "x", "–": "-", "—": "-"})


def _table(headings: Sequence[str], rows: Iterable[tuple[str, ...]], whole: Container[str]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading in whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row), style=_STYLES.get(row[0], ""))
    return table


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """`| head`, a dying tee: the reader is gone. rich would exit, in the middle of a rollback."""


class Terminal:
    """Writes lines to `file`. If it is not a terminal, rich omits colours and does not wrap."""

    def __init__(self, file: TextIO, redactor: Redactor, launcher: str = DEFAULT, is_verbose: bool = False) -> None:
        width = None if file.isatty() else _WIDTH  # of tables; lines are never wrapped
        self._console = _Console(file=file, highlight=False, soft_wrap=True, width=width)
        self._encoding = file.encoding or "utf-8"
        self.redactor, self.launcher, self.is_verbose = redactor, launcher, is_verbose

    def said(self, text: str) -> str:
        """Redacted, and with commands as this tool was called."""
        return as_called(self.redactor.text(text), self.launcher)

    def stage(self, text: str) -> None:
        self._print(text, "bold")

    def line(self, text: str) -> None:
        self._print(f"  {text}", "")

    def item(self, outcome: str, name: str, says: str) -> None:
        self._print(f"  {_MARKS[outcome]} {name}: {says}", _STYLES[outcome] if outcome != "ok" else "")

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def verdict(self, verdict: Verdict, headline: str, reason: str, notes: Iterable[str] = ()) -> None:
        """`notes`: shown beside the verdict, for example "2 test documents remain in the queue"."""
        self._print(f"{'; '.join([headline, *notes])}: {reason}", _STYLES[verdict.value])

    def error(self, text: str) -> None:
        self._print(f"error: {text}", "bold red")

    def decision(self, decision: Decision, in_words: str, reason: str) -> None:
        self._print(f"{in_words}: {reason}", _STYLES[decision.value])

    def table(self, headings: Sequence[str], rows: Iterable[tuple[str, ...]], whole: Container[str] = ()) -> None:
        """Rows whose first cell is a mark or a decision get its colour. Wraps to the terminal's width.

        `whole`: headings of columns whose cells are never wrapped or cut, such as ids. If there is not enough room,
        each row becomes a paragraph.
        """
        listed = [tuple(self._shown(cell) for cell in row) for row in rows]
        if self._width_of(headings, listed, whole) > self._console.width:
            for row in listed:
                self._print("", "")
                for heading, cell in zip(headings, row, strict=True):
                    self._print(f"  {heading}: {cell}", _STYLES.get(row[0], "") if cell == row[0] else "")
            return
        with suppress(OSError):
            self._console.print(_table(headings, listed, whole), soft_wrap=False)

    @staticmethod
    def _width_of(headings: Sequence[str], rows: Sequence[tuple[str, ...]], whole: Container[str]) -> int:
        """The minimum width of a table of these rows, in characters."""
        columns = zip(headings, *rows, strict=True)
        widths = [max(map(len, cells)) if cells[0] in whole else _LEAST for cells in columns]
        return sum(widths) + 3 * len(widths)

    @contextmanager
    def live(self) -> Iterator[None]:
        """An alternate screen; without a terminal, plain output in sequence."""
        with self._console.screen() if self._console.is_terminal else nullcontext():
            yield

    def clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()

    def data(self, text: str) -> None:
        """Output for machines: redacted, otherwise unchanged."""
        with suppress(OSError):
            self._console.out(self._as_it_is(text), highlight=False)

    def _as_it_is(self, text: str) -> str:
        return self.redactor.text(text).encode(self._encoding, "backslashreplace").decode(self._encoding)

    def ask(self, question: str) -> bool:
        """True only if a person at a terminal answers yes; false without a terminal."""
        if not (sys.stdin.isatty() and self._console.is_terminal):
            return False
        self._print(f"{question} [y/N] ", "bold yellow")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def choose(self, question: str, answers: tuple[str, ...]) -> str:
        """One of the answers, by its first letter or in full; the last one at the end of input."""
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
            self._console.print(Text(self._shown(text), style=style))

    def _shown(self, text: str) -> str:
        """Redacted, and limited to what this terminal can show: an older locale has no ✔."""
        text = printable(self.said(text))
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAIN).encode(self._encoding, "replace").decode(self._encoding)
        return text
