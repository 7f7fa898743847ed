"""The messages of a production rollback say what is true, and stop nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_gate.errors import WrongSetting
from rollback_gate.outside import messages, notify
from rollback_gate.outside.notify import Sending
from rollback_gate.platform.commands import Completed, SubprocessRunner
from rollback_gate.profile.afterwards import MESSAGE_FIELDS, Message, Messages
from rollback_gate.profile.load import load
from tests.unit.builders import ROOT, phase1

FACTS = {name: f"<{name}>" for name in MESSAGE_FIELDS}


def test_both_messages_of_the_runbook_can_be_filled_in() -> None:
    """Steps 1 and 5: impact, reason and ETA before; status, duration, completeness and next steps after."""
    begin = messages.render(phase1().messages.begin, FACTS).text
    end = messages.render(phase1().messages.end, FACTS).text
    assert all(f"<{name}>" in begin for name in ("change", "reason", "eta", "minutes"))
    assert all(f"<{name}>" in end for name in ("status", "duration", "completeness", "verdict", "next_steps", "record"))


def test_a_subject_is_one_line() -> None:
    """A reason with a line break must not become a header of the mail."""
    rendered = messages.render(Message(subject="Why: {reason}", body="{reason}"), {"reason": "a\nBcc: all@company"})
    assert rendered.text == "Subject: Why: a Bcc: all@company\n\na\nBcc: all@company\n"


def test_an_unknown_field_is_refused_when_the_profile_is_loaded() -> None:
    """A template's mistake shows when the profile is loaded, not in the middle of an incident."""
    with pytest.raises(WrongSetting, match=r"messages\.end: Value error, unknown field reasons; there are change, "):
        load(ROOT / "profiles/phase1.toml", {}, ["messages.end.body={reasons}"])


def test_a_format_that_texts_do_not_have_is_refused_too() -> None:
    """Not when the rollback is over and the closing message is due."""
    with pytest.raises(WrongSetting, match=r"messages\.end"):
        load(ROOT / "profiles/phase1.toml", {}, ["messages.end.body={duration:.0f}"])


def sent(settings: Messages) -> str:
    channels = notify.channels(settings, {}, SubprocessRunner({"PATH": "/usr/bin:/bin"}))
    message = messages.render(settings.begin, FACTS)
    ((_, outcome),) = Sending(channels, message, (), settings.limit_s).outcomes()
    return outcome


def test_a_reason_in_another_encoding_is_sent_all_the_same() -> None:
    """A byte that is no UTF-8 costs a letter, not the message."""
    rendered = messages.render(phase1().messages.begin, {**FACTS, "reason": "caf\udce9"})
    assert "Reason: caf?" in rendered.text


def test_what_a_failing_command_was_called_with_stays_out() -> None:
    """Its arguments, and what it printed, may hold a webhook's secret."""
    settings = phase1("messages.command=['sh','-c','echo TOKEN; exit 3']").messages
    outcome = sent(settings)
    assert outcome == "not delivered: sh exited with status 3"


def test_delivery_by_a_command(tmp_path: Path) -> None:
    """The command gets the whole text on its standard input."""
    out = tmp_path / "out"
    settings = phase1(f"messages.command=['sh','-c','cat > {out}']").messages
    assert sent(settings) == "delivered by sh"
    assert out.read_text() == messages.render(settings.begin, FACTS).text


def test_without_a_command_and_services_there_is_no_channel() -> None:
    """Nothing is run; the procedure says that the message was only shown."""

    def never(*_: object, **__: object) -> Completed:
        raise AssertionError("nothing is to be run")

    assert notify.channels(phase1().messages, {}, never) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("['false']", "false exited with status 1"),
        ("['/none']", "could not be started"),
        ("['sleep','9']", "did not end within"),
    ],
)
def test_a_failing_delivery_is_told(command: str, says: str) -> None:
    """A command that fails, is missing or hangs is an outcome, never an error that stops the procedure."""
    settings = phase1(f"messages.command={command}", "messages.limit_s=0.1").messages
    outcome = sent(settings)
    assert outcome.startswith("not delivered: ")
    assert says in outcome
