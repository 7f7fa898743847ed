"""The gate's answer, in the formats that CI jobs read. Pure.

A record may contain any log text: none of it may become a CI command (a line that begins with ::, an escape that opens
a section) or markup in the summary.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.model import ExitCode
from rollback_gate.record import seal
from rollback_gate.record.markup import in_markdown
from rollback_gate.record.validity import Obstacle

OPEN, CLOSED = "open: the record allows to deploy", "closed: do not deploy"


class Form(enum.StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class Note:
    """One observation on the way. `mark`: ok, warning, refused or passed."""

    mark: str
    name: str
    says: str


@dataclass(frozen=True)
class Answer:
    """`record`: report.json as a table, empty if there is none; `name`: where it is, "" for nowhere."""

    name: str
    record: Mapping[str, Any]
    digest: str
    is_signed: bool
    notes: tuple[Note, ...]
    obstacles: tuple[Obstacle, ...]

    @property
    def is_open(self) -> bool:
        return bool(self.record) and not self.obstacles

    @property
    def code(self) -> ExitCode:
        if self.is_open:
            return ExitCode.GO
        return max((obstacle.code for obstacle in self.obstacles), default=ExitCode.INCONCLUSIVE)

    @property
    def warnings(self) -> list[str]:
        """What was waived, and so not checked."""
        return [f"{note.name}: {note.says}" for note in self.notes if note.mark == "warning"]

    @property
    def verdict(self) -> str:
        return str(self.record.get("verdict", "NONE"))

    @property
    def headline(self) -> str:
        """The verdict as it is shown: "GO (3 of 4)"."""
        return str(self.record.get("headline") or self.verdict)

    @property
    def record_id(self) -> str:
        return str(self.record.get("record_id", "none"))

    @property
    def holds(self) -> str:
        return "unaltered, signed" if self.is_signed else "unaltered as far as digests can tell, not signed"


def as_json(answer: Answer) -> str:
    return json.dumps(
        {
            "format": 1,
            "open": answer.is_open,
            "exit_code": int(answer.code),
            "verdict": answer.verdict,
            "headline": answer.headline,
            "record_id": answer.record_id,
            "record": answer.name,
            "reason": answer.record.get("reason", ""),
            "sha256": answer.digest,
            "signed": answer.is_signed,
            "obstacles": [{"says": o.says, "remedy": o.remedy, "exit_code": int(o.code)} for o in answer.obstacles],
            "notes": [vars(note) for note in answer.notes],
            "checks": [
                {"check": f["check"], "outcome": f["outcome"], "reason": f["reason"]} for f in _findings(answer)
            ],
        },
        indent=1,
    )


def as_github(answer: Answer) -> str:
    """Workflow commands: GitHub shows them as annotations of the job."""
    if answer.is_open:
        says = f"{answer.record_id} is {answer.headline}, {answer.holds}"
        opened = f"::notice title=rollback-gate open::{_in_command(says)}"
        return "\n".join([opened, *(f"::warning title=rollback-gate::{_in_command(text)}" for text in answer.warnings)])
    return "\n".join(
        f"::error title=rollback-gate closed::{_in_command(f'{o.says} → {o.remedy}')}" for o in answer.obstacles
    )


def outputs(answer: Answer) -> str:
    """For a GitHub step (GITHUB_OUTPUT) and a GitLab dotenv report: one line each, with no line end in a value."""
    rows = {
        "open": str(answer.is_open).lower(),
        "verdict": answer.verdict,
        "record": answer.record_id,
        "sha256": answer.digest,
    }
    return "".join(f"rollback_gate_{key}={_PLAIN.sub('_', value)}\n" for key, value in rows.items())


def as_markdown(answer: Answer) -> str:
    """For a job summary and for a ticket."""
    word = "open" if answer.is_open else "CLOSED"
    lines = [f"## Gate {word}: {in_markdown(answer.headline)}", ""]
    if answer.record:
        lines += [f"{in_markdown(answer.record.get('change', ''))}: {in_markdown(answer.record.get('reason', ''))}", ""]
    lines += [line for text in answer.warnings for line in (f"**Warning** {in_markdown(text)}", "")]
    if answer.obstacles:
        lines += ["| Why it is closed | What to do next |", "|---|---|"]
        lines += [f"| {in_markdown(o.says)} | {in_markdown(o.remedy)} |" for o in answer.obstacles] + [""]
    if _findings(answer):
        titles = answer.record.get("titles", {})
        lines += ["| Check | Result | Why |", "|---|---|---|"]
        lines += [
            f"| {in_markdown(titles.get(f['check'], f['check']))} | {in_markdown(f['outcome'])} | "
            f"{in_markdown(f['reason'])} |"
            for f in _findings(answer)
        ] + [""]
    if answer.record:
        lines += [
            f"Record `{_PLAIN.sub('_', answer.record_id)}`, SHA-256 `{answer.digest}`, "
            f"{'signed' if answer.is_signed else 'not signed'}",
            "",
        ]
    return "\n".join(lines)


def as_gitlab(answer: Answer, now_s: int) -> str:
    """A collapsible section of the job log; the result follows below it, in colour."""
    begin = f"\x1b[0Ksection_start:{now_s}:rollback_gate[collapsed=false]\r\x1b[0Krollback-gate"
    end = f"\x1b[0Ksection_end:{now_s}:rollback_gate\r\x1b[0K"
    colour = "\x1b[32;1m" if answer.is_open else "\x1b[31;1m"
    lines = [
        f"record: {answer.name or 'none'}",
        *(f"{f['outcome']:12} {f['reason']}" for f in _findings(answer)),
        *(f"warning: {text}" for text in answer.warnings),
        *(f"{o.says}\n  → {o.remedy}" for o in answer.obstacles),
    ]
    body = "\n".join(seal.printable(" ".join(line.split(" "))) for text in lines for line in text.split("\n"))
    return f"{begin}\n{body}\n{end}\n{colour}{OPEN if answer.is_open else CLOSED}\x1b[0m"


FORMS: Mapping[Form, Callable[[Answer], str]] = {Form.JSON: as_json, Form.GITHUB: as_github}
_PLAIN = re.compile(r"[^A-Za-z0-9_.:-]")
_COMMAND = {"%": "%25", "\r": "%0D", "\n": "%0A"}


def _findings(answer: Answer) -> list[Mapping[str, Any]]:
    return list(answer.record.get("findings", []))


def _in_command(text: str) -> str:
    return "".join(_COMMAND.get(character, character) for character in seal.printable(text))
