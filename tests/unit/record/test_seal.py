"""A record that was touched anywhere does not hold up; against a forger the signature does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback_gate.checks.verdict import Ran
from rollback_gate.errors import WrongSetting
from rollback_gate.model import Evidence, Outcome, passed
from rollback_gate.record import html, seal, write
from rollback_gate.record.check import examine
from rollback_gate.record.seal import Key
from rollback_gate.redaction import Redactor
from tests.unit.record.test_record import record

KEY, OTHER = Key("0123456789abcdef"), Key("fedcba9876543210")


def data(key: Key | None = None, **changes: Any) -> str:
    return seal.canonical(seal.signed(record() | changes, key))


def page(key: Key | None = None, **changes: Any) -> str:
    made = seal.signed(record() | changes, key)
    return seal.filled(html.page(made, seal.digest(seal.canonical(made))), key)


PAGE = page(KEY)


@pytest.mark.parametrize("text", [data(), data(KEY), page(), PAGE])
def test_an_untouched_record_holds_up(text: str) -> None:
    """Without a key a signature cannot be told, with one its absence cannot: neither is altered, nor relied on."""
    is_signed = "hmac-sha256:" in text
    assert examine(text, KEY if is_signed else None).is_unaltered
    for key in (None, KEY):
        assert not examine(text, key).was_altered
    assert examine(text, KEY).is_signed is is_signed
    assert examine(text, None).is_unaltered is not is_signed


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(PAGE) - 1), st.sampled_from("xX0<é "))
def test_one_character_anywhere_in_the_page_is_noticed(position: int, other: str) -> None:
    """By the digest over the whole page: in the visible part, the data, the style or the slots."""
    touched = PAGE[:position] + other + PAGE[position + 1 :]
    assert touched == PAGE or not examine(touched, KEY).is_unaltered


def test_another_verdict_in_the_data_is_noticed() -> None:
    """Also where somebody has made every digest anew: the verdict is computed from the evidence again."""
    for text in (data(verdict="NO-GO"), page(verdict="NO-GO")):
        seen = examine(text, None)
        assert not seen.is_unaltered
        assert "its evidence comes to GO" in " ".join(item.says for item in seen.problems)


def test_a_nicer_table_over_the_same_data_is_noticed() -> None:
    """Every digest is right, and what people see does not follow from the data."""
    made = seal.signed(record(), None)
    shown = html.page(made, seal.digest(seal.canonical(made))).replace("The old code runs", "It worked well", 1)
    (problem,) = examine(seal.filled(shown, None), None).problems
    assert problem.says == "what it shows does not follow from its data"


def test_a_record_of_another_version_is_inconclusive() -> None:
    """It cannot be rendered again here: neither altered nor proven."""
    (problem,) = examine(page(tool="another"), None).problems
    assert problem.outcome is Outcome.INCONCLUSIVE


def test_a_forger_without_the_key() -> None:
    """Digests can be made by anybody; the signature cannot, nor one of another key, nor one of another text."""
    for forged in (data(OTHER), page(OTHER)):
        seen = examine(forged, KEY)
        assert not seen.is_unaltered
        assert not seen.is_signed
    assert not examine(data(), KEY).is_signed
    taken = json.loads(data(KEY)) | {"operator": "mallory"}
    assert not examine(seal.canonical(taken), KEY).is_unaltered


def test_a_signature_that_is_taken_away_is_noticed() -> None:
    """From the page, from the data, from both; and rubbish in its place."""
    signature = seal.page_signature(PAGE)
    for touched in (PAGE.replace(signature, ""), PAGE.replace(signature, "x"), page()):
        assert not examine(touched, KEY).is_unaltered
    stripped = seal.canonical(json.loads(data(KEY)) | {"signature": ""})
    assert not examine(stripped, KEY).is_unaltered
    assert examine(PAGE.replace(signature, ""), None).was_altered


def test_what_a_log_holds_does_not_make_a_record_look_altered(tmp_path: Path) -> None:
    """Carriage returns, escapes, half a surrogate, and text that looks like credentials only where HTML is escaped."""
    odd = 'a\r\nb\x1b[31m\ud800 {"url":"http://mcp:3003/mcp","contact":"a@b"} <http://h:80/x><a@b> <article class="rg-record"'
    claim = Ran("passed", True, passed("x", odd, Evidence.LOG, odd))
    made = record(**{"test_processing::test_probes_leave_no_trace": claim})
    write.write_page(tmp_path, made, Redactor(["hunter22"]), KEY)
    for name in ("report.html", "report.json"):
        seen = examine(write.read_text(tmp_path / name), KEY)
        assert seen.is_unaltered, seen.problems
    around = f"<html><body><p>hunter22</p>{html.PLACE}<p>hunter22</p></body></html>"
    write.write_page(tmp_path, made, Redactor(["hunter22"]), KEY, around)
    text = write.read_text(tmp_path / "report.html")
    assert "hunter22" not in text
    assert examine(text, KEY).is_unaltered


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "[]",
        "<html></html>",
        '{"format": 1',
        PAGE.replace("rg-page-digest", "x"),
    ],
)
def test_what_is_no_record_says_so(text: str) -> None:
    """No traceback."""
    assert not examine(text, KEY).is_unaltered


def test_reformatted_data_is_noticed() -> None:
    """What an editor or a pipeline did to it could have been anything."""
    assert not examine(json.dumps(json.loads(data())), None).is_unaltered


def test_a_key_that_can_be_guessed_is_refused() -> None:
    """And none is none."""
    assert seal.key_of({}) is None
    with pytest.raises(WrongSetting, match="has 0 characters"):
        seal.key_of({seal.KEY_VARIABLE: ""})
    assert seal.key_of({seal.KEY_VARIABLE: KEY.secret}) == KEY
    with pytest.raises(WrongSetting, match="openssl rand"):
        seal.key_of({seal.KEY_VARIABLE: "short"})
