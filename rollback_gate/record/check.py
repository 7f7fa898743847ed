"""Whether a record, on its own, holds up: unaltered, following from its own evidence, and signed by whom. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollback_gate.model import Outcome
from rollback_gate.record import build, html, seal
from rollback_gate.record.seal import Key


@dataclass(frozen=True)
class Item:
    """One thing looked at. Failed: altered. Inconclusive: this cannot be told here."""

    name: str
    outcome: Outcome
    says: str


@dataclass
class Examination:
    """`record` is empty where the file holds none. `is_signed`: by the key that was given."""

    record: Mapping[str, Any]
    items: list[Item] = field(default_factory=list)
    is_signed: bool = False

    @property
    def is_unaltered(self) -> bool:
        return bool(self.record) and all(item.outcome is Outcome.PASSED for item in self.items)

    @property
    def problems(self) -> list[Item]:
        return [item for item in self.items if item.outcome is not Outcome.PASSED]

    def add(self, name: str, outcome: Outcome, says: str) -> None:
        self.items.append(Item(name, outcome, says))

    def disagrees(self, says: str) -> None:
        self.add("data", Outcome.FAILED, says)

    def note(self, name: str, holds: bool, says: str, otherwise: str) -> None:
        self.add(name, Outcome.PASSED if holds else Outcome.FAILED, says if holds else otherwise)


def examine(text: str, key: Key | None) -> Examination:
    """A report.html or a report.json, by its content."""
    return _examine_json(text, key) if text.lstrip().startswith("{") else _examine_page(text, key)


def _examine_json(text: str, key: Key | None) -> Examination:
    record = _parsed(text)
    seen = Examination(record or {})
    if record is None:
        seen.add("data", Outcome.FAILED, "this is no record: neither report.html nor report.json")
        return seen
    seen.note("data", text == seal.canonical(record), f"sha256 {seal.digest(text)}", "is not in the form in which "
              "rollback-gate writes it: it was edited")  # fmt: skip
    _check_verdict(seen)
    _check_signature(seen, key, [seal.is_signed_by(record, key)] if key else [], [str(record.get("signature", ""))])
    return seen


def _examine_page(page: str, key: Key | None) -> Examination:
    try:
        text = seal.embedded(page)
        holds = seal.page_digest_holds(page)
        by_key = [seal.page_is_signed_by(page, key)] if key else []
        signatures = [seal.page_signature(page)]
    except ValueError as error:
        seen = Examination({})
        seen.add("page", Outcome.FAILED, f"this is no record, or was altered: {error}")
        return seen
    seen = _examine_json(text, None)
    seen.items = [item for item in seen.items if item.name != "signature"]
    seen.note("page", holds, "its digest is that of the whole page", "its digest is not that of the page: it was "
              "altered")  # fmt: skip
    if seen.record:
        _check_rendering(seen, page, text)
        by_key += [seal.is_signed_by(seen.record, key)] if key else []
        signatures.append(str(seen.record.get("signature", "")))
    _check_signature(seen, key, by_key, signatures)
    return seen


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except ValueError:
        return None
    needed = {"format", "verdict", "tests", "slots", "findings"}
    return record if isinstance(record, dict) and needed <= record.keys() else None


def _check_verdict(seen: Examination) -> None:
    """The verdict, and what each check came to, is what follows from the tests that ran."""
    record = seen.record
    try:
        judgement = build.verdict_of(record)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        seen.add("verdict", Outcome.FAILED, f"its evidence cannot be read: {error!r}")
        return
    is_judged = record.get("kind") == "verify" and "ended" in record
    follows = judgement.verdict.value == record["verdict"]
    if is_judged:
        follows = follows and build.plain(judgement.findings) == record["findings"]
    seen.note("verdict", follows, f"{record['verdict']} follows from the evidence in the record",
              f"says {record['verdict']}, and its evidence comes to {judgement.verdict.value}")  # fmt: skip


def _check_rendering(seen: Examination, page: str, text: str) -> None:
    """What people see is made from the data again, and must be the same."""
    if seen.record.get("tool") != html.tool():
        says = "another version of rollback-gate wrote it, so what it shows cannot be compared with its data here"
        seen.add("table", Outcome.INCONCLUSIVE, says)
        return
    visible = seal.without_slots(page)
    same = _try(lambda: visible.count(html.fragment(seen.record, seal.digest(text))) == 1)
    seen.note("table", same, "what it shows follows from its data", "what it shows does not follow from its data")


def _try(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (KeyError, ValueError, TypeError, AttributeError, html.TemplateError):
        return False


def _check_signature(seen: Examination, key: Key | None, by_key: Iterable[bool], signatures: list[str]) -> None:
    names = {signature.split(":")[1] for signature in signatures if signature.count(":") == 2}
    if key is None or not any(signatures):
        says = f"signed with key {', '.join(sorted(names))}, which is not here" if names else "not signed"
        seen.add("signature", Outcome.PASSED, says)
        return
    seen.is_signed = all(by_key)
    seen.note("signature", seen.is_signed, f"signed with key {key.name}", f"is not one of key {key.name}: altered, or "
              f"signed with another key ({', '.join(sorted(names)) or 'none'})")  # fmt: skip


def unreadable(why: str) -> Examination:
    """Of a record that is there and cannot be read."""
    seen = Examination({})
    seen.add("data", Outcome.FAILED, f"it cannot be read: {why}")
    return seen
