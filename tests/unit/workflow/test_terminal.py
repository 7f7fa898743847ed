"""What people see, wherever they see it."""

from __future__ import annotations

import io
import re

import pytest

from rollback_gate.model import Verdict
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.checklist import Checklist, Item
from rollback_gate.workflow import seen
from rollback_gate.workflow.terminal import Terminal


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✔"), ("latin-1", "+"), ("ascii", "+")])
def test_every_locale_shows_everything(encoding: str, mark: str) -> None:
    """At three in the morning, over some jump host: LANG=C must not be what stops a rollback."""
    written = io.BytesIO()
    terminal = Terminal(io.TextIOWrapper(written, encoding=encoding, write_through=True), Redactor([]))
    terminal.item("ok", "source", "from a backup → done … Übung 文")
    terminal.table(["", "what"], [("✔", "a row · of 3 × 4")])
    terminal.verdict(Verdict.GO, "GO", "2 × ✔")
    terminal.data('{"name": "文"}')
    lines = written.getvalue().decode(encoding).splitlines()
    assert lines[0].startswith(f"  {mark} source: from a backup")
    assert any("GO: 2" in line for line in lines)
    assert lines[-1] == '{"name": "文"}' if encoding == "utf-8" else r"\u6587" in lines[-1]


class Screen(io.StringIO):
    """A terminal, as far as anybody asks."""

    def isatty(self) -> bool:
        return True


ID = "20261124T044703Z-bec2"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_ids_are_never_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs one copies it from here."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    out = Screen()
    row = ("INCONCLUSIVE", ID, "ocr_metadata_extraction", "unaltered", "the log could not be read " * 6)
    headings = ("Verdict", "Record", "Project", "Unaltered?", "Reason")
    Terminal(out, Redactor([])).table(headings, [row, row], whole=("Verdict", "Record"))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert sum(ID in line for line in lines) == 2
    assert columns < 80 or all(len(line) <= columns for line in lines), "a table fits, or is none"
    assert ("Record: " in "".join(lines)) is (columns < 80)


def test_no_color_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org; and a CI log has none anyway."""
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = {}
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        out = Screen()
        Terminal(out, Redactor([])).verdict(Verdict.NO_GO, "NO-GO", "x")
        coloured[value] = "\x1b[" in out.getvalue() and "31m" in out.getvalue()
    assert coloured == {"": True, "1": False}
    plain = io.StringIO()
    Terminal(plain, Redactor([])).verdict(Verdict.NO_GO, "NO-GO", "x")
    assert plain.getvalue() == "NO-GO: x\n"


def checklist(*outcomes: str) -> Checklist:
    return Checklist([Item(f"point-{n}", outcome, f"says {n}") for n, outcome in enumerate(outcomes)])


@pytest.mark.parametrize(
    ("outcomes", "is_verbose", "expected"),
    [
        (("ok", "ok"), False, ["✔ preflight: 2 points in order"]),
        (("ok", "warning"), False, ["! point-1: says 1", "✔ preflight: 1 points in order"]),
        (("ok", "refused"), False, ["✘ point-1: says 1"]),
        (("ok", "warning"), True, ["✔ point-0: says 0", "! point-1: says 1"]),
    ],
)
def test_preflight_is_one_line_when_all_is_well(
    outcomes: tuple[str, ...], is_verbose: bool, expected: list[str]
) -> None:
    """What is not in order is always shown."""
    out = io.StringIO()
    seen.show(Terminal(out, Redactor([]), is_verbose=is_verbose), checklist(*outcomes))
    assert [line.strip() for line in out.getvalue().splitlines()] == expected


def test_where_the_old_code_comes_from_is_told() -> None:
    out = io.StringIO()
    seen.show(Terminal(out, Redactor([])), Checklist([Item("source", "ok", "x.py from backup x.py.backup.1")]))
    assert out.getvalue() == "  ✔ preflight: 1 points in order; old code: x.py from backup x.py.backup.1\n"
