"""Writing a record: JSON first, then the page; both atomic, redacted, sealed, never over another record."""

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

JSON_NAME, HTML_NAME, JUNIT_NAME = "report.json", "report.html", "junit.xml"
_MODE = 0o644


def write_json(folder: Path, record: Mapping[str, Any], redactor: Redactor, key: Key | None) -> dict[str, Any]:
    """The canonical form; returns what was written: redacted, and signed where there is a key. Raises OSError."""
    cleaned: dict[str, Any] = redactor.value(seal.printable(redactor.value(dict(record))))
    written = seal.signed(cleaned, key)
    write_text(folder / JSON_NAME, seal.canonical(written), _MODE)
    return written


def digest(folder: Path) -> str:
    return seal.digest(read_text(folder / JSON_NAME))


def read_text(path: Path) -> str:
    """As it is, line ends too. Raises OSError, UnicodeDecodeError."""
    return text_of(path)


def write_page(folder: Path, record: Mapping[str, Any], redactor: Redactor, key: Key | None) -> None:
    """A page without pytest-html's part: for a record that no test session made. Raises OSError."""
    written = write_json(folder, record, redactor, key)
    write_text(folder / HTML_NAME, seal.filled(html.page(written, digest(folder)), key), _MODE)


def publish(source: Path, target: Path, redactor: Redactor) -> None:
    """A file that pytest wrote under a temporary name: cleaned once more, then put in place. Raises OSError."""
    write_text(target, redactor.text(source.read_text(encoding="utf-8")), _MODE)
    if source != target:
        source.unlink()


def publish_page(source: Path, target: Path, redactor: Redactor, key: Key | None) -> None:
    """As `publish`, and sealed. Raises OSError; ValueError for a page that is no record.

    Our own part was made of cleaned data, and has to stay what that data makes of it: pytest's part is cleaned here.
    """
    head, ours, tail = html.parts(read_text(source))
    write_text(
        target,
        seal.filled(suite_page.head(redactor.text(head)) + ours + suite_page.tail(redactor.text(tail)), key),
        _MODE,
    )
    source.unlink()


def read_json(folder: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    record: dict[str, Any] = json.loads(read_text(folder / JSON_NAME))
    return record
