"""What people see, wherever they see it."""

from __future__ import annotations

import io

import pytest

from rollback_gate.model import Verdict
from rollback_gate.redaction import Redactor
from rollback_gate.workflow.terminal import Terminal


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✔"), ("latin-1", "+"), ("ascii", "+")])
def test_every_locale_shows_everything(encoding: str, mark: str) -> None:
    """At three in the morning, over some jump host: LANG=C must not be what stops a rollback."""
    written = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(written, encoding=encoding, write_through=True), Redactor([]))
    terminal.item("ok", "source", "from a backup → done … Übung 文")
    terminal.table(["", "what"], [("✔", "a row · of 3 × 4")])
    terminal.verdict(Verdict.GO, "2 × ✔")
    terminal.data('{"name": "文"}')
    lines = written.getvalue().decode(encoding).splitlines()
    assert lines[0].startswith(f"  {mark} source: from a backup")
    assert any("GO: 2" in line for line in lines)
    assert lines[-1] == '{"name": "文"}' if encoding == "utf-8" else r"\u6587" in lines[-1]
