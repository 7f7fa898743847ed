"""What the house rules ask of every file, and no linter looks for."""

from __future__ import annotations

from tests.unit.builders import ROOT

_FOLDERS = ("rollback_gate", "lab", "tests", "examples")


def test_the_formatter_is_not_fought() -> None:
    """What is ugly once it is formatted is written otherwise."""
    words = ("fmt: " + "skip", "fmt: " + "off")
    files = [ROOT / "tasks.py", ROOT / "conftest.py", *(p for name in _FOLDERS for p in (ROOT / name).rglob("*.py"))]
    assert len(files) > 200
    assert [path.name for path in files if any(word in path.read_text() for word in words)] == []
