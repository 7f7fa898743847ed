"""Writing a record: JSON first, then the page; both atomic, both redacted, never over another record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.record import html
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.files import write_text

JSON_NAME, HTML_NAME, JUNIT_NAME = "report.json", "report.html", "junit.xml"
_MODE = 0o644


def write_json(folder: Path, record: Mapping[str, Any], redactor: Redactor) -> str:
    """The canonical form; returns its SHA-256. Raises OSError."""
    text = json.dumps(redactor.value(dict(record)), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    write_text(folder / JSON_NAME, redactor.text(text), _MODE)
    return digest(folder)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / JSON_NAME).read_bytes()).hexdigest()


def write_page(folder: Path, record: Mapping[str, Any], redactor: Redactor) -> None:
    """A page without pytest-html's part: for a record that no test session made. Raises OSError."""
    page = html.page(redactor.value(dict(record)), write_json(folder, record, redactor))
    write_text(folder / HTML_NAME, redactor.text(page), _MODE)


def publish(source: Path, target: Path, redactor: Redactor) -> None:
    """A file that pytest wrote under a temporary name: cleaned once more, then put in place. Raises OSError."""
    write_text(target, redactor.text(source.read_text(encoding="utf-8")), _MODE)
    if source != target:
        source.unlink()


def read_json(folder: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    record: dict[str, Any] = json.loads((folder / JSON_NAME).read_text(encoding="utf-8"))
    return record
