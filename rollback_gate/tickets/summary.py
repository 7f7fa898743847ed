"""The text of a ticket: verdict, reason, interruption, digest, and actions to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.profile.afterwards import Action
from rollback_gate.record import next_steps, view
from rollback_gate.record.markup import in_markdown, in_wiki


@dataclass(frozen=True)
class Markup:
    """A tracker's syntax for bold and for an open task; `text` escapes any value to plain text."""

    text: Callable[[Any], str]
    bold: str
    task: str
    item: str


MARKDOWN = Markup(in_markdown, "**", "- [ ] ", "- ")
WIKI = Markup(in_wiki, "*", "* ", "* ")
PLAIN = Markup(lambda text: " ".join(str(text).split()), "", "[ ] ", "- ")


def mark_of(digest: str) -> str:
    """Identifies a comment: one record has one comment."""
    return f"rollback-gate sha256:{digest}"


def file_name(record: Mapping[str, Any], digest: str) -> str:
    """Identifies an attachment."""
    return f"rollback-{record['record_id']}-{digest[:12]}.html"


def title(record: Mapping[str, Any]) -> str:
    word = record.get("headline") or record["verdict"]
    return f"{word}: rollback of {' '.join(str(record['change']).split())}, {record['record_id']}"


def text(
    record: Mapping[str, Any], digest: str, link: str, actions: Iterable[Action], markup: Markup, with_tasks: bool
) -> str:
    """`link`: address of the report, "" if it is attached. `with_tasks`: list the actions as tasks in this text."""
    clean, bold = markup.text, markup.bold
    word = record.get("headline") or record["verdict"]
    lines = [f"{bold}{clean(word)}{bold}: {clean(view.lead(record))}", ""]
    lines += [f"{markup.item}{bold}{name}:{bold} {clean(value)}" for name, value in _facts(record)]
    if link:
        lines.append(f"{markup.item}{bold}Report:{bold} {link}")
    lines += ["", f"{bold}Next:{bold}", *(f"{markup.item}{clean(step)}" for step in next_steps.of_record(record))]
    if with_tasks:
        lines += ["", f"{bold}To do:{bold}", *(f"{markup.task}{clean(task)}" for task in tasks(actions))]
    return "\n".join([*lines, "", mark_of(digest), ""])


def tasks(actions: Iterable[Action]) -> list[str]:
    return [f"{action.says} ({action.due})" for action in actions]


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    run = record.get("run") or {}
    interruption = (run.get("interruption") or {}).get("says", "not measured")
    return [
        ("Change", str(record["change"])),
        ("Why it was rolled back", view.reason(record)),
        ("Interruption", interruption),
        ("Rolled back by", f"{run['operator']}, run {run['id']}" if run else "not by a run of this tool"),
        ("Judged", f"{record['began']} by {record['operator']}"),
        ("Record", str(record["record_id"])),
        *(("State of the service", line) for line in record.get("state_of_service", [])),
    ]
