"""Bytecode that came with its source is told from one that Python takes unseen: by the times of the two."""

from __future__ import annotations

import pytest

from rollback_gate.change import past

_MARK = str(0x0A0D << 16 | 3495)
FILE = "/app/x.py"


def is_blind(made: str, put: str, born: str, source_changed: str) -> bool:
    """`made`: when the bytecode was written; `put`, `born`: of its inode; the source's own time is 100."""
    rows = [
        ("folder", "100.5", "100.5", "/app"),
        ("file", "0" * 64, "100.25", source_changed, FILE),
        ("compiled", "1", "7", made, put, born, _MARK, "0", "100", "7", FILE),
    ]
    _, (one,) = past.compiled(rows, FILE)
    return one.is_blind


@pytest.mark.parametrize(
    ("made", "put", "born", "source_changed", "expected"),
    [
        pytest.param("100.3", "100.9", "100.9", "100.9", False, id="copied-with-its-source-0.6-s-later"),
        pytest.param("100.3", "103.9", "0", "103.9", False, id="copied-later-where-no-births-are-kept"),
        pytest.param("100.3", "100.9", "0", "100.9", True, id="no-birth-is-kept"),
        pytest.param("100.3", "100.9", "?", "100.9", True, id="no-birth-can-be-asked"),
        pytest.param("100.3", "100.3", "100.3", "100.9", True, id="made-here-and-the-source-replaced"),
        pytest.param("100.3", "100.31", "100.29", "100.9", True, id="made-here-slowly-and-the-source-replaced"),
        pytest.param("100", "100", "100.3", "100.9", True, id="whole-seconds-were-cut-off"),
        pytest.param("100.3", "100.9", "101", "100.9", True, id="birth-in-whole-seconds"),
        pytest.param("100.3", "100.9", "100.9", "109.9", True, id="copied-and-the-source-replaced-later"),
    ],
)
def test_blind_bytecode(made: str, put: str, born: str, source_changed: str, expected: bool) -> None:
    assert is_blind(made, put, born, source_changed) is expected
