"""The operator's page: its commands are run on a lab in order, and each command's output is written below it.

In a fenced block every line that begins with `$ ` is a command. Steps that the reader does not see are comments on a
line of their own: `<!-- lab: deploy phase1 -->` calls that method of the lab, `<!-- types: yes -->` answers the
questions of the next command.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.operator import ROOT, Operator
from lab.reference import WORKER

PAGE = ROOT / "docs" / "operator.md"
FENCE, PROMPT = "```", "$ "
_DIRECTIVE = re.compile(r"<!-- (lab|types): (.*) -->")
_SHORT = {"ROLLBACK_GATE__LIMITS__SOAK_S": "2", "ROLLBACK_GATE__LIMITS__STABILISE_S": "2"}
# What differs from run to run. The rest must match the page.
_BLANKS = (
    (re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}"), "<id>"),
    (re.compile(r"\.backup\.\d{8}_\d{6}"), ".backup.<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)"), "<time>"),
    (re.compile(r"\b\d\d:\d\d UTC"), "<time>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<digest>"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms|minutes|MB)\b"), "<amount>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    # The number of restarts of a crashing process is chance, and it changes how the table wraps.
    (re.compile(r"^ Answer +Trigger.*?(?=^  \d+ of \d+ triggers)", re.MULTILINE | re.DOTALL), "<table>"),
    (re.compile(r"\d+ of \d+ triggers"), "<triggers>"),
)


@dataclass
class Session:
    """One reader of the page at a shell: `$?` is the exit status of the previous command."""

    operator: Operator
    status: int = 0
    answers: str = ""
    clean: Callable[[str], str] = field(init=False)

    def __post_init__(self) -> None:
        lab = self.operator.lab
        places = ((str(lab.directory), "/srv/ocr"), (str(self.operator.reports), "reports"), (lab.project, "ocr"))
        own = (*places, (str(ROOT), "/opt/rollback-gate"))

        def clean(text: str) -> str:
            for found, shown in own:
                text = text.replace(found, shown)
            return text

        self.clean = clean

    def direct(self, kind: str, words: str) -> None:
        """Run a step that the reader does not see."""
        name, *arguments = words.split()
        if kind == "types":
            self.answers = "".join(f"{word}\n" for word in words.split())
        elif name == "restart":
            self.operator.lab.containers(WORKER)[0].restart(timeout=1)
        else:
            method = getattr(self.operator.lab, name)
            method(*(int(one) if one.isdigit() else one for one in arguments))

    def run(self, command: str) -> list[str]:
        """The command's output, line by line. Raises ValueError for a command that is not ours."""
        if command == "echo $?":
            return [str(self.status)]
        name, *arguments = shlex.split(command, comments=True)
        if name != "rollback-gate":
            raise ValueError(f"the page may show only our own commands, not {command}")
        whole = [sys.executable, "-P", "-m", "rollback_gate", *(self._found(word) for word in arguments)]
        ended = self.operator.run(whole, self.answers, ROLLBACK_GATE_LAUNCHER=name, COLUMNS="110", **_SHORT)
        self.status, self.answers = ended.status, ""
        return [line.rstrip() for line in self.clean(ended.output).splitlines()]

    def _found(self, word: str) -> str:
        """Path of the newest record's page for `report.html`; any other word is unchanged."""
        return str(self.operator.newest_record()["folder"] / word) if word == "report.html" else word


def played(text: str, session: Session) -> str:
    """The page with its commands' present output."""
    return "\n".join(_lines(text.splitlines(), session)) + "\n"


def _lines(lines: Iterable[str], session: Session) -> Iterator[str]:
    is_inside = False
    for line in lines:
        if line.startswith(FENCE):
            is_inside = not is_inside
        elif is_inside and not line.startswith(PROMPT):
            continue  # earlier output
        elif found := _DIRECTIVE.fullmatch(line):
            session.direct(found[1], found[2])
        yield line
        if is_inside and line.startswith(PROMPT):
            yield from session.run(line.removeprefix(PROMPT))


def blanked(text: str) -> str:
    """The text without the parts that differ from run to run."""
    for pattern, shown in _BLANKS:
        text = pattern.sub(shown, text)
    return re.sub(r" +", " ", re.sub("─+", "─", text))


def write(operator: Operator, page: Path = PAGE) -> None:
    """Run the whole page and rewrite it."""
    page.write_text(played(page.read_text(encoding="utf-8"), Session(operator)), encoding="utf-8")
