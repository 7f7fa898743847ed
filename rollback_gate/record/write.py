"""Writes a record: JSON first, then the page; both atomic, redacted, sealed, never over another record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.record import html, seal, suite_page
from rollback_gate.record.seal import Key
from rollback_gate.redaction import Redactor
from rollback_gate.regular import text_of
from rollback_gate.rollback.files import write_text

JSON_NAME, HTML_NAME, JUNIT_NAME, LOG_NAME = "report.json", "report.html", "junit.xml", "pytest.log"
KEPT_TICKET = "ticket.txt"
_MODE = 0o644


def write_json(path: Path, record: Mapping[str, Any], redactor: Redactor, key: Key | None) -> dict[str, Any]:
    """Writes the canonical form; returns what was written: redacted, and signed if there is a key. Raises OSError."""
    cleaned: dict[str, Any] = redactor.value(seal.printable(redactor.value(dict(record))))
    text = seal.canonical(seal.signed(cleaned, key))
    write_text(path, text, _MODE)
    written: dict[str, Any] = json.loads(text)  # a page made from anything else would not follow from the file
    return written


def read_text(path: Path) -> str:
    """The text with its line ends unchanged. Raises OSError, UnicodeDecodeError."""
    return text_of(path)


def write_page(
    folder: Path, record: Mapping[str, Any], redactor: Redactor, key: Key | None, around: str = ""
) -> dict[str, Any]:
    """Writes both forms of a record; returns it as written. Raises OSError.

    `around`: a page from pytest-html, with a place for our part; "" makes a page of our own. Our part is rendered from
    redacted data and must match it, so only pytest's part is redacted here. Raises ValueError for a page without that
    place.
    """
    head, _, tail = html.parts(around) if around else ("", "", "")
    written = write_json(folder / JSON_NAME, record, redactor, key)
    digest = seal.digest(seal.canonical(written))
    page = html.page(written, digest)
    if around:
        ours = html.fragment(written, digest)
        page = suite_page.head(redactor.text(head)) + ours + suite_page.tail(redactor.text(tail))
    write_text(folder / HTML_NAME, seal.filled(page, key), _MODE)
    return written


def write_beside(path: Path, text: str, redactor: Redactor) -> None:
    """Writes another file from the suite, redacted. Raises OSError."""
    write_text(path, redactor.text(text), _MODE)


def read_json(folder: Path) -> dict[str, Any]:
    """The record in this folder. Raises OSError, ValueError."""
    record: dict[str, Any] = json.loads(read_text(folder / JSON_NAME))
    return record
