"""Checks a record on its own: unaltered, following from its own evidence, and signed by which key. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.model import Outcome
from rollback_gate.record import build, html, seal
from rollback_gate.record.seal import Key


@dataclass(frozen=True)
class Item:
    """One aspect of the examination. Failed: altered. Inconclusive: it cannot be checked here."""

    name: str
    outcome: Outcome
    says: str


@dataclass
class Examination:
    """`record` is empty if the file holds none. `is_signed`: by the given key."""

    record: Mapping[str, Any]
    items: list[Item] = field(default_factory=list)
    is_signed: bool = False

    @property
    def is_unaltered(self) -> bool:
        return bool(self.record) and all(item.outcome is Outcome.PASSED for item in self.items)

    @property
    def was_altered(self) -> bool:
        return not self.record or any(item.outcome is Outcome.FAILED for item in self.items)

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
    """Examines a report.html or a report.json, recognised by content."""
    return _examine_json(text, key) if text.lstrip().startswith("{") else _examine_page(text, key)


def _examine_json(text: str, key: Key | None) -> Examination:
    seen = _examined_data(text)
    if seen.record:
        _check_signature(seen, key, [str(seen.record["signature"])], lambda key: seal.is_signed_by(seen.record, key))
    return seen


def _examine_page(page: str, key: Key | None) -> Examination:
    try:
        text = seal.embedded(page)
        holds, signature = seal.page_digest_holds(page), seal.page_signature(page)
    except ValueError as error:
        seen = Examination({})
        seen.add("page", Outcome.FAILED, f"this is no record, or was altered: {error}")
        return seen
    seen = _examined_data(text)
    seen.note(
        "page", holds, "its digest is that of the whole page", "its digest is not that of the page: it was altered"
    )
    if seen.record:
        _check_rendering(seen, page, text)
        both = [str(seen.record["signature"]), signature]
        _check_signature(
            seen, key, both, lambda k: seal.is_signed_by(seen.record, k) and seal.page_is_signed_by(page, k)
        )
    return seen


def _examined_data(text: str) -> Examination:
    record = _parsed(text)
    seen = Examination(record or {})
    if record is None:
        seen.add("data", Outcome.FAILED, "this is no record: neither report.html nor report.json")
        return seen
    seen.note(
        "data",
        text == seal.canonical(record),
        f"sha256 {seal.digest(text)}",
        "is not in the form in which rollback-gate writes it: it was edited",
    )
    if record["tool"] == html.tool():
        _check_verdict(seen)
    else:
        says = "another version of rollback-gate wrote it, so it cannot be judged and shown again here"
        seen.add("version", Outcome.INCONCLUSIVE, says)
    return seen


def _parsed(text: str) -> dict[str, Any] | None:
    """None if the text is not a record; otherwise a record with all fields that every reader needs."""
    try:
        record = json.loads(text)
        seal.canonical(record)  # nested too deep to be written: not a record either
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(name), kind) for name, kind in _SHAPE.items()):
        return None
    deployment = record["deployment"]
    rows = all(isinstance(row, dict) and {"key", "value", "origin"} <= row.keys() for row in record["settings"])
    is_whole = rows and isinstance(deployment.get("id"), str) and "engine" in deployment
    return record if is_whole and all(map(_is_finding, record["findings"])) and _has_end(record) else None


def _is_finding(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("check", "outcome", "reason"))


def _has_end(record: Mapping[str, Any]) -> bool:
    """True if the end is valid, or absent: verify did not complete."""
    try:
        return "ended" not in record or bool(Instant.parse(record["ended"]))
    except (ValueError, TypeError, AttributeError):
        return False


_SHAPE: dict[str, type] = {
    "format": int,
    "kind": str,
    "verdict": str,
    "reason": str,
    "record_id": str,
    "began": str,
    "operator": str,
    "tool": str,
    "tests": dict,
    "slots": dict,
    "findings": list,
    "titles": dict,
    "settings": list,
    "deployment": dict,
    "signature": str,
}


def _check_verdict(seen: Examination) -> None:
    """Verdict, reason, and each check's outcome must follow from the tests that ran."""
    record = seen.record
    try:
        judgement = build.verdict_of(record)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        seen.add("verdict", Outcome.FAILED, f"its evidence cannot be read: {error!r}")
        return
    follows = judgement.verdict.value == record["verdict"]
    if record["kind"] == "verify" and "ended" in record:
        follows = follows and build.plain(judgement.findings) == record["findings"]
        follows = follows and judgement.reason == record["reason"]
    seen.note(
        "verdict",
        follows,
        f"{record['verdict']} follows from the evidence in the record",
        f"says {record['verdict']}, {record['reason']}; its evidence comes to {judgement.verdict.value}, "
        f"{judgement.reason}",
    )


def _check_rendering(seen: Examination, page: str, text: str) -> None:
    """The visible page is rendered again from the data, and must be the same."""
    if seen.record["tool"] != html.tool():
        return
    visible = seal.without_slots(page)
    same = _try(lambda: visible.count(html.fragment(seen.record, seal.digest(text))) == 1)
    seen.note("table", same, "what it shows follows from its data", "what it shows does not follow from its data")


def _try(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (KeyError, ValueError, TypeError, AttributeError, html.TemplateError):
        return False


def _check_signature(
    seen: Examination, key: Key | None, signatures: list[str], is_signed_by: Callable[[Key], bool]
) -> None:
    """Data and page are both signed, or neither is; an uncheckable signature proves nothing either way."""
    if len({bool(signature) for signature in signatures}) > 1 or any(
        s and not seal.is_signature(s) for s in signatures
    ):
        seen.add("signature", Outcome.FAILED, "is missing, or is none: it was removed or altered")
        return
    name = signatures[0].split(":")[1] if signatures[0] else ""
    if key is None:
        unchecked = f"signed with key {name}, which is not here: set {seal.KEY_VARIABLE} to check it"
        seen.add("signature", *((Outcome.INCONCLUSIVE, unchecked) if name else (Outcome.PASSED, "not signed")))
        return
    if not name:
        seen.add("signature", Outcome.INCONCLUSIVE, "not signed, although a key is set here")
        return
    seen.is_signed = is_signed_by(key)
    seen.note(
        "signature",
        seen.is_signed,
        f"signed with key {key.name}",
        f"is not one of key {key.name}: altered, or signed with another key ({name})",
    )


def unreadable(why: str) -> Examination:
    """The examination of an existing record that cannot be read."""
    seen = Examination({})
    seen.add("data", Outcome.FAILED, f"it cannot be read: {why}")
    return seen
