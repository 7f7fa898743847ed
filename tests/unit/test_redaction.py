from __future__ import annotations

import html
import json
import time
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback_gate.profile.systems import CommandQueue
from rollback_gate.redaction import MASK, Redactor, cut
from rollback_gate.suite.request import redactor
from tests.unit.builders import phase1

SECRET = 'p@ss/"wörd"<&\\1'


@pytest.mark.parametrize(
    "form",
    [SECRET, quote_plus(SECRET), html.escape(SECRET), json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False)],
)
def test_a_secret_goes_in_every_form(form: str) -> None:
    """Plain, in a URL, in HTML, in JSON."""
    assert Redactor([SECRET]).text(f"before {form} after").startswith("before ")
    assert "wörd" not in Redactor([SECRET]).text(form)
    assert MASK in Redactor([SECRET]).text(form)


def test_credentials_in_urls_go_even_when_unknown() -> None:
    """A log may hold a password that nobody told us, with @ and / in it."""
    line = "connecting to mongodb://gvpocr_admin:p@ss/word@mongodb:27017/gvpocr?authSource=admin"
    assert Redactor([]).text(line) == f"connecting to mongodb://{MASK}@mongodb:27017/gvpocr?authSource=admin"


@pytest.mark.parametrize(
    ("line", "cleaned"),
    [
        ("MONGO_PASSWORD=hunter22 NEXT=1", f"MONGO_PASSWORD={MASK} NEXT=1"),
        ('{"api_key": "sk-12345678", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        ("Authorization: Bearer abc.def.ghi", f"Authorization: Bearer {MASK}"),
        ("headers={'authorization': 'Basic dXNlcjpwYXNz'}", f"headers={{'authorization': 'Basic {MASK}'}}"),
        (
            "database.password_env = ROLLBACK_GATE_DATABASE_PASSWORD",
            "database.password_env = ROLLBACK_GATE_DATABASE_PASSWORD",
        ),
        ("database.password_file: /run/secrets/x", "database.password_file: /run/secrets/x"),
        ("3 tokens: all fine", "3 tokens: all fine"),
        ("MONGO_PASSWORD: ${LAB_MONGO_PASSWORD}", "MONGO_PASSWORD: ${LAB_MONGO_PASSWORD}"),
    ],
)
def test_secrets_that_their_name_shows(line: str, cleaned: str) -> None:
    """Of a service that logs its own settings; names of settings are no secrets. Cleaning twice changes nothing."""
    assert Redactor([]).text(line) == cleaned
    assert Redactor([]).text(cleaned) == cleaned


def test_nested_values() -> None:
    cleaned = Redactor(["secret"]).value({"a": ["x secret", ("secret",)], "n": 1, "none": None})
    assert cleaned == {"a": [f"x {MASK}", (MASK,)], "n": 1, "none": None}


def test_what_a_key_names_is_a_secret_and_numbers_stay_numbers() -> None:
    """A document may be called `letter-token`, and its score is a number."""
    rows = {"password": "hunter22", "letter-token": 0.278, "api_key": None, "token_env": "MY_TOKEN", "a-s3cr3t": 1}
    assert Redactor(["s3cr3t"]).value(rows) == {
        "password": MASK,
        "letter-token": 0.278,
        "api_key": None,
        "token_env": "MY_TOKEN",
        f"a-{MASK}": 1,
    }


@given(st.text(min_size=1), st.text(min_size=4, max_size=12).filter(lambda s: s.strip() == s and s not in MASK))
def test_no_secret_is_left(text: str, secret: str) -> None:
    cleaned = Redactor([secret]).text(f"{text} {secret}")
    assert secret not in cleaned.replace(MASK, "")


PIECES = st.lists(
    st.sampled_from(
        ["a-", "a", "://", ":", "@", "/", " ", "token", "=", '"', "authorization: bearer ", "http://a:", "\n"]
    ),
    min_size=1,
    max_size=4,
).map("".join)


def seconds(text: str) -> float:
    """The processor's time, the best of five: another process may have had the machine."""
    redactor, found = Redactor(["s3cr3t-of-ours"]), []
    for _ in range(5):
        began = time.process_time()
        redactor.text(text)
        found.append(time.process_time() - began)
    return min(found)


@settings(max_examples=60, deadline=None)
@given(PIECES)
def test_the_time_for_a_text_grows_as_its_length(piece: str) -> None:
    """A rollback waits for it, and a log may hold anything: of 16 times the text not 256 times the time."""
    small = piece * (8_000 // len(piece))
    assert seconds(small * 16) < 80 * max(seconds(small), 0.0005)


@given(st.text(alphabet="ab \n", max_size=60), st.integers(5, 40))
def test_no_word_is_cut(text: str, longest: int) -> None:
    """Part of a secret would not be known for one."""
    shorter = cut(text, longest)
    assert len(shorter) <= longest
    assert set(shorter.removesuffix("…").split()) <= set(text.split())
    assert text.startswith(shorter.removesuffix("…"))


def test_a_secret_at_the_cut_goes_whole() -> None:
    assert cut(f"{'x' * 10} hunter22-and-more", 18) == f"{'x' * 10}…"
    assert cut("short", 18) == "short"


def test_a_user_name_that_is_an_address_hides_no_password() -> None:
    assert "hunter22" not in Redactor([]).text("smtp://ops@example.com:hunter22@mail.example.com:587 failed")
    assert Redactor([]).text("http://host:80/a see x@y") == "http://host:80/a see x@y"


def test_what_commands_around_the_workers_get_is_secret(tmp_path: Path) -> None:
    """The environment variables that a profile gives them, and every password that it leads to."""
    (tmp_path / "password").write_text("database-secret\n")
    queue = CommandQueue(kind="command", read=("true",), variables=("QTOKEN", "QMODE"))
    profile = phase1(f"database.password_file={tmp_path / 'password'}").model_copy(update={"queue": queue})
    clean = redactor(profile, {"QTOKEN": "queue-secret", "QMODE": "fast"})
    shown = clean.text("401 for http://q/?token=queue-secret, database-secret, in mode fast")
    assert "queue-secret" not in shown and "database-secret" not in shown
    assert "mode fast" in shown, "a short value would blacken words"
