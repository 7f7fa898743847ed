from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.errors import RollbackGateError
from rollback_gate.instant import Instant
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import store
from rollback_gate.rollback.journal import Journal, parse

NOW = Instant.parse("2026-11-23T12:00:00Z")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", lambda: NOW)


def test_what_is_written_is_read(journal: Journal) -> None:
    journal.write("step.begin", step="restore", says="it")
    journal.write("step.end", step="restore", outcome="done", detail="")
    entries = journal.entries()
    assert [(e.event, e.data["step"]) for e in entries] == [("step.begin", "restore"), ("step.end", "restore")]
    assert entries[0].at == NOW
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_no_journal_is_empty(journal: Journal) -> None:
    assert journal.entries() == ()


@given(cut=st.integers(1, 200))
def test_a_torn_last_line_is_left_out_and_can_be_gone_on_behind(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """Killed while writing, at any byte: the entries before are read, and a later run appends a readable one."""
    journal = Journal(tmp_path_factory.mktemp("j") / "journal.jsonl", lambda: NOW)
    journal.write("first", a=1)
    whole = journal.path.read_bytes()
    journal.write("second", b="x" * 20)
    both = journal.path.read_bytes()
    journal.path.write_bytes(both[: min(len(whole) + cut, len(both) - 2)])
    assert [e.event for e in journal.entries()] == ["first"]
    journal.write("third", c=3)
    assert [e.event for e in journal.entries()] == ["first", "third"]


def test_damage_in_the_middle_is_told() -> None:
    """That is no torn write: nothing may be concluded from such a journal."""
    good = '{"format": 1, "at": "2026-11-23T12:00:00Z", "event": "x"}'
    with pytest.raises(RollbackGateError, match="line 2: not an entry of a journal"):
        parse(f"{good}\nrubbish\n{good}\n", "journal")
    with pytest.raises(RollbackGateError, match="line 1: written in another format"):
        parse(good.replace('"format": 1', '"format": 2') + "\n", "journal")


def test_an_account_is_what_the_entries_add_up_to(journal: Journal) -> None:
    journal.write("run.begin", run="r", source_digests={"f": "d"}, reason="why")
    journal.write("step.begin", step="a", kind="restore", targets=["a"], says="do a", command="")
    journal.write("step.end", step="a", outcome="done", detail="did a")
    journal.write("step.begin", step="b", kind="quarantine", targets=["b"], says="do b", command="")
    account = store.read("r", journal.entries())
    assert account.outcome == ""
    assert [(s["id"], s["outcome"]) for s in account.steps] == [("a", "done"), ("b", "interrupted")]
    journal.write("started", container="c", name="n", started_at="2026-11-23T12:00:01Z", image="i", config_hash="h")
    journal.write("run.end", outcome="done")
    account = store.read("r", journal.entries())
    assert (account.outcome, account.source_digests) == ("done", {"f": "d"})
    assert account.started["c"].image_id == "i"


def test_the_newest_run_that_did_something(tmp_path: Path) -> None:
    """Also one that failed or was killed: an older one must not speak for what came after it."""
    runs = store.Store(tmp_path, lambda: NOW)
    for name, did in (
        ("20260101T000000Z-aaaa", True),
        ("20260102T000000Z-bbbb", True),
        ("20260103T000000Z-cccc", False),
    ):
        run = runs.begin(name)
        run.journal.write("run.begin", source_digests={})
        if did:
            run.journal.write("step.begin", step="restore", kind="restore", targets=[], says="it")
    latest = next(a for _, a in reversed(store.runs_in([runs])) if a.changed)

    assert (latest.id, latest.outcome) == ("20260102T000000Z-bbbb", "")
    assert [run.id[:8] for run in runs.runs()] == ["20260101", "20260102", "20260103"]


def test_a_journal_of_another_version_is_said_to_be_one(journal: Journal) -> None:
    """No traceback at three in the morning."""
    journal.write("run.begin", source_digests={})
    journal.write("step.begin", step="restore", says="it")
    with pytest.raises(RollbackGateError, match="the journal of run r was written by another version: KeyError"):
        store.read("r", journal.entries())


def test_secrets_stay_out_of_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", lambda: NOW, Redactor(["hunter22"]).value)
    journal.write("run.begin", reason="the password is hunter22")
    assert "hunter22" not in journal.path.read_text()
