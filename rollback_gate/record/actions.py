"""The actions after a rollback (runbook, Post-Rollback Actions), who did each and when: kept beside the record.

An entry belongs to the rollback run, not to one record of it: another verify of the same run keeps it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.afterwards import Action, Due
from rollback_gate.record import seal
from rollback_gate.record.seal import Key
from rollback_gate.record.validity import Obstacle
from rollback_gate.regular import text_of
from rollback_gate.rollback.files import write_text

NAME = "actions.json"
FORMAT = 1


@dataclass(frozen=True)
class Done:
    """`by`: who did it, as reported; `noted_by`: the user who reported it, according to the kernel; `at`: RFC 3339."""

    action: str
    by: str
    noted_by: str
    at: str
    note: str = ""


def subject_of(record: Mapping[str, Any]) -> str:
    """Deployment and run; after a rollback by hand, deployment and record."""
    run = record.get("run") or {}
    return f"{record['deployment']['id']} {run.get('id') or record['record_id']}"


def operators_of(record: Mapping[str, Any]) -> frozenset[str]:
    """Who rolled back or resumed; if no run of this tool is judged, also who ran verify."""
    run = record.get("run")
    known = [*operators_of_run(run or {}), *record.get("rolled_back_by", [])]
    return frozenset(map(str, known if run else [*known, record["operator"]]))


def operators_of_run(run: Mapping[str, Any]) -> tuple[str, ...]:
    """The operators of a record's `run`, each once."""
    names = [run.get("operator"), *(attempt.get("operator") for attempt in run.get("attempts", []))]
    return tuple(dict.fromkeys(str(name) for name in names if name))


def as_text(subject: str, done: Iterable[Done], key: Key | None) -> str:
    table: dict[str, Any] = {"format": FORMAT, "subject": subject, "done": [asdict(one) for one in done]}
    return seal.canonical({**table, "signature": key.sign("actions", seal.canonical(table)) if key else ""})


def parse(text: str, key: Key | None) -> tuple[str, tuple[Done, ...]] | Unmeasured:
    """Subject and entries. With a key, only entries signed with it count."""
    try:
        table = json.loads(text)
        signature = str(table.pop("signature"))
        subject, rows = (
            str(table["subject"]),
            tuple(Done(**{k: str(v) for k, v in row.items()}) for row in table["done"]),
        )
        for row in rows:
            Instant.parse(row.at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Unmeasured("the actions", f"{NAME} cannot be read: {error!r}")
    if table.get("format") != FORMAT:
        return Unmeasured("the actions", f"{NAME} has format {table.get('format')}, not {FORMAT}")
    if key and not hmac.compare_digest(signature.encode(), key.sign("actions", seal.canonical(table)).encode()):
        return Unmeasured("the actions", f"{NAME} is not signed with the key that is set here")
    return subject, rows


def done_in(reports: Path, subject: str, key: Key | None) -> tuple[Done, ...] | Unmeasured:
    """All entries for a run, beside any of its records; of several for one action, the last."""
    found: dict[str, Done] = {}
    for path in sorted(reports.glob(f"[!.]*/{NAME}")):  # a killed prune leaves .ID.going
        try:
            entry = parse(text_of(path), key)
        except (OSError, UnicodeDecodeError) as error:
            return Unmeasured("the actions", f"{path}: {error}")
        if isinstance(entry, Unmeasured):
            return Unmeasured("the actions", f"{path.parent.name}: {entry.reason}")
        if entry[0] == subject:
            for one in entry[1]:
                if one.action not in found or found[one.action].at <= one.at:
                    found[one.action] = one
    return tuple(found.values())


def is_signed(folder: Path) -> bool:
    """True if the entries beside a record are signed, by any key. False if there are none, or none readable."""
    try:
        return bool(json.loads(text_of(folder / NAME))["signature"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def keep(folder: Path, subject: str, entries: Iterable[Done], key: Key | None) -> None:
    """Writes the entries beside the record, replacing the earlier ones. Raises OSError."""
    write_text(folder / NAME, as_text(subject, entries, key), 0o644)


def obstacles(
    listed: Iterable[Action], done: Iterable[Done], operators: frozenset[str], now: Instant
) -> list[Obstacle]:
    """What blocks the deployment: actions due before it, and an approval that must come from another person."""
    by_action = {one.action: one for one in done}
    found = []
    for action in listed:
        if action.due is not Due.BEFORE_REDEPLOYMENT:
            continue
        one = by_action.get(action.id)
        if one is None:
            found.append(Obstacle(f"not done yet: {action.says}", f"invoke actions.done {action.id} --by WHO"))
        elif Instant.parse(one.at) > now:
            found.append(Obstacle(f"done in the future: {action.says} at {one.at}", "set the clocks right"))
        elif action.is_approval and {one.by, one.noted_by} & operators:
            who = ", ".join(sorted({one.by, one.noted_by} & operators))
            says = f"the approval must come from another person: {who} rolled back"
            found.append(Obstacle(says, f"another person has to run: invoke actions.done {action.id} --by WHO"))
    return found
