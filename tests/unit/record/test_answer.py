"""What the gate says, in the forms that a CI reads: no text of a record becomes a command or markup there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.model import ExitCode
from rollback_gate.record import answer as answers
from rollback_gate.record.answer import Answer, Note
from rollback_gate.record.validity import Obstacle
from tests.unit.record.test_record import record

HOSTILE = [
    "\n::set-output name=open::true",
    "\r\n::error::x",
    "<script>alert(1)</script>",
    "\x1b]0;x\x07",
    "| a | b |",
    "`code`",
    "@team",
    "http://evil.example",
    "\u202etxt.exe",
    "%0A::stop-commands::x",
    "[x](y)",
]
RECORD = record()
text = st.lists(st.one_of(st.text(), st.sampled_from(HOSTILE)), max_size=4).map("".join)


def answer(says: str = "it is old", **changes: Any) -> Answer:
    made = {
        "name": "reports/x",
        "record": RECORD,
        "digest": "a" * 64,
        "is_signed": False,
        "notes": (Note("ok", "still true", "2 containers"),),
        "obstacles": (Obstacle(says, "invoke verify"),),
    }
    return Answer(**{**made, **changes})


def test_open_and_closed() -> None:
    """Only without an obstacle, and never without a record."""
    assert answer(obstacles=()).code is ExitCode.GO
    assert answer().code is ExitCode.INCONCLUSIVE
    assert answer(obstacles=(), record={}).code is ExitCode.INCONCLUSIVE
    assert answer(obstacles=(Obstacle("x", "y", ExitCode.NO_GO),)).code is ExitCode.NO_GO


def test_json_says_it_all() -> None:
    said = json.loads(answers.as_json(answer()))
    assert (said["open"], said["exit_code"], said["verdict"]) == (False, 20, "GO")
    assert said["obstacles"] == [{"says": "it is old", "remedy": "invoke verify", "exit_code": 20}]
    assert [row["outcome"] for row in said["checks"]] == ["passed"] * 4


def test_github_annotates() -> None:
    assert answers.as_github(answer()) == "::error title=rollback-gate closed::it is old → invoke verify"
    assert answers.as_github(answer(obstacles=())).startswith("::notice title=rollback-gate open::")


def test_the_summary_has_the_checks_and_the_digest() -> None:
    said = answers.as_markdown(answer())
    assert said.startswith("## Gate CLOSED: GO")
    assert said.count("| passed |") == 4
    assert "a" * 64 in said


@given(text)
def test_no_text_becomes_a_command_of_github(says: str) -> None:
    """One line per obstacle, and only the one that we began."""
    lines = answers.as_github(answer(says)).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("::error title=rollback-gate closed::")
    assert "\x1b" not in lines[0]


@given(text)
def test_no_text_becomes_markup_of_the_summary(says: str) -> None:
    """The table keeps its shape; no HTML, no link, no mention."""
    made = answers.as_markdown(answer(says, record=RECORD | {"reason": says, "change": says}))
    rows = [line for line in made.splitlines() if line.endswith("| invoke verify |")]
    assert len(rows) == 1
    assert "<" not in made.replace("&lt;", "")
    assert "http://evil" not in made
    assert all(ord(character) >= 32 or character == "\n" for character in made)
    assert "\u202e" not in made


@given(text)
def test_no_text_opens_a_section_of_gitlab(says: str) -> None:
    made = answers.as_gitlab(answer(says), 1)
    assert made.count("section_start:1:rollback_gate") == 1 or "section_start:1:rollback_gate" in says
    assert made.count("\x1b") == 6
    assert "\u202e" not in made


@given(text)
def test_outputs_are_four_lines(says: str) -> None:
    """Whatever the record holds: a fifth line would be an output of somebody else's."""
    made = answers.outputs(answer(record=RECORD | {"verdict": says, "record_id": says}))
    assert len(made.splitlines()) == 4
    assert made.startswith("rollback_gate_open=false\n")


@pytest.mark.parametrize("form", list(answers.Form))
def test_every_form_has_somebody_who_writes_it(form: answers.Form) -> None:
    assert form in answers.FORMS or form in (answers.Form.TEXT, answers.Form.GITLAB)


@pytest.mark.parametrize("write", [answers.as_github, answers.as_markdown, lambda a: answers.as_gitlab(a, 0)])
def test_what_was_waived_is_told_in_every_form(write: Callable[[Answer], str]) -> None:
    """An open gate that did not look at the engine must say so where people read it."""
    waived = answer(obstacles=(), notes=(Note("warning", "not re-checked", "the engine is another"),))
    assert "not re-checked: the engine is another" in write(waived)
    assert "not re-checked" not in write(answer(obstacles=()))
