"""What a log tells of a change since its deployment: on the real system's captures, and where order matters."""

from __future__ import annotations

import pytest

from rollback_gate.evidence.log_history import HistoryListener, type_of
from rollback_gate.evidence.log_lines import LogReader
from rollback_gate.evidence.symptoms import LogHistory
from rollback_gate.instant import Instant
from tests.unit.builders import CAPTURES, phase1

PROFILE = phase1()
START = Instant.parse("2026-11-23T12:00:00Z")
NOW = START.plus(3000)
# What FACTS.md says that each capture is: error lines of each type since the deployment; known noise is none.
ERRORS = {
    "before-mcp-error": {},
    "before-mcp-refused": {},
    "before-mcp-timeout": {},
    "before-real-mcp-server": {},
    "before-startup": {},
    "before-success": {},
    "phase1-startup": {},
    "phase1-success": {},
    "phase1-real-mcp-server": {},
    "phase1-debug-success": {},
    "phase1-mcp-timeout": {"timeout": 11},
    "phase1-mcp-overload": {"overloaded": 3},
    "phase1-mcp-auth": {"authentication": 8},
}


def history(*texts: str, apart_s: float = 1, by_blocks: bool = False, now: Instant = NOW) -> LogHistory:
    listener = HistoryListener(PROFILE.triggers)
    reader = LogReader(PROFILE.logs, Instant(0), listener)
    lines = [f"{START.plus(n * apart_s)} {text}" for n, text in enumerate(texts)]
    if by_blocks:
        reader.feed_block("".join(f"{line}\n" for line in lines).encode())
    else:
        for line in lines:
            reader.feed(line)
    return listener.history(reader.summary(), now)


def capture(name: str, by_blocks: bool = False) -> LogHistory:
    path = CAPTURES / "logs" / f"{name}.log"
    return history(*path.read_text().splitlines(), apart_s=0.001, by_blocks=by_blocks)


@pytest.mark.parametrize("by_blocks", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_captures_are_classified(name: str, by_blocks: bool) -> None:
    """Timeouts, overload and authentication by their type; the old code's own noise is no error at all."""
    found = capture(name, by_blocks)
    assert {error.name: error.total for error in found.errors} == ERRORS[name]
    assert found.import_error == ""


@pytest.mark.parametrize("name", ["phase1-import-error", "phase1-crash-loop"])
def test_the_real_phase1_that_cannot_be_imported(name: str) -> None:
    found = capture(name)
    assert found.import_error.endswith("'enrichment_service.config' is not a package")
    assert found.consuming_at is None


@pytest.mark.parametrize(
    "line",
    [
        line
        for path in sorted((CAPTURES / "logs").glob("phase1-mcp-*.log"))
        for line in path.read_text().splitlines()
        if line.startswith("ERROR:") and "failed after" in line
    ],
)
def test_every_line_that_gives_up_has_the_type_that_it_names(line: str) -> None:
    """Line by line: what stands in its parentheses."""
    name, expected = type_of(line, PROFILE.triggers)
    assert f"({name})" in line
    assert expected == (name != "authentication")


def test_trouble_of_the_mcp_server_is_seen_for_the_document() -> None:
    """With a refused server the old code logs noise only, and still the document's MCP trouble is known."""
    assert capture("before-mcp-refused").attempts[0].upstream > 0
    assert capture("phase1-success").attempts[0].upstream == 0


def started(document: str) -> str:
    return f"INFO:x:Starting enrichment for document {document}"


def completed(document: str) -> str:
    return f"INFO:x:✓ Task task_enrich_1_{document} completed successfully"


def test_a_document_fails_when_another_one_is_picked_up_before_it_is_complete() -> None:
    found = history(started("a.jpg"), "ERROR:x:no metrics for a.jpg", started("b.jpg"), completed("b.jpg"))
    first, second = found.attempts
    assert (first.failed, first.error, first.seconds) == (True, "ERROR:x:no metrics for DOCUMENT", 2.0)
    assert (second.finished, second.seconds) == (True, 1.0)


def test_a_thread_that_goes_on_may_still_complete_it() -> None:
    """The queue takes a document away after its time; the worker's thread completes it later."""
    found = history(started("a.jpg"), started("b.jpg"), completed("a.jpg"))
    assert [(a.document, a.finished, a.failed) for a in found.attempts] == [
        ("a.jpg", True, False),
        ("b.jpg", False, False),
    ]


def test_one_that_is_delivered_again_has_taken_its_time_all_the_same() -> None:
    """It took longer than the queue waits, and comes back: until more is known of it, that is not forgotten."""
    texts = [started("a.jpg"), "INFO:x:working", "INFO:x:working", completed("a.jpg"), started("a.jpg")]
    (back,) = history(*texts, now=START.plus(4)).attempts
    assert (back.finished, back.failed, back.seconds, back.again) == (False, False, 3, True)
    (twice,) = history(*texts, started("a.jpg"), now=START.plus(5)).attempts
    assert (twice.seconds, twice.again) == (3, True)
    (later,) = history(*texts, completed("a.jpg")).attempts
    assert (later.finished, later.seconds) == (True, 1)
    given_up = {a.document: a for a in history(*texts, "ERROR:x:boom", started("b.jpg")).attempts}["a.jpg"]
    assert given_up.failed, "a document that was finished once can fail when it is sent again"


def test_one_that_is_delivered_again_has_failed_until_it_is_complete() -> None:
    again = [started("a.jpg"), "ERROR:x:boom", started("a.jpg")]
    assert [a.failed for a in history(*again).attempts] == [True]
    assert [(a.failed, a.finished) for a in history(*again, completed("a.jpg")).attempts] == [(False, True)]


def test_a_tool_that_gives_up_does_not_end_its_document() -> None:
    """The change falls back and goes on: a document in work is none that failed."""
    line = "ERROR:x:Agent metadata-agent tool t failed after 4 attempts (timeout): Tool invocation timeout after 30s: t"
    assert [a.failed for a in history(started("a.jpg"), line).attempts] == [False]
    assert [a.failed for a in history(started("a.jpg"), "ERROR:x:planted").attempts] == [True]


def test_a_new_process_gives_up_what_the_one_before_had() -> None:
    consuming = "INFO:__main__:NSQ Consumer created, starting to consume messages..."
    found = history(consuming, started("a.jpg"), consuming)
    assert found.consuming_at == START.plus(2)
    assert [a.failed for a in found.attempts] == [True]


def test_the_last_hour_and_the_hours_before() -> None:
    """Counts by hour, newest first; the last hour slides."""
    listener = HistoryListener(PROFILE.triggers)
    for minutes in (1, 61, 119, 121, 179):
        listener.error(START.plus(minutes * 60), "ERROR:x:boom")
    reader = LogReader(PROFILE.logs, Instant(0), listener)
    (error,) = listener.history(reader.summary(), START.plus(180 * 60 - 1)).errors
    assert (error.total, error.last_hour, error.hourly) == (5, 2, (2, 2, 1))


def test_memory_is_bounded() -> None:
    """Many types, many documents, many hours."""
    listener = HistoryListener(PROFILE.triggers)
    for n in range(20_000):
        listener.picked_up(START.plus(n * 60), f"{n}.jpg")
        listener.error(START.plus(n * 60), f"ERROR:{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}:boom")
    reader = LogReader(PROFILE.logs, Instant(0), listener)
    found = listener.history(reader.summary(), START.plus(20_000 * 60))
    assert len(found.errors) <= 51
    assert len(found.attempts) <= 1000
    assert all(len(error.hourly) <= 24 * 15 for error in found.errors)


def test_a_flood_of_other_types_does_not_hide_a_known_one() -> None:
    """What the profile names keeps its name, and whether it is expected, however late it comes."""
    listener = HistoryListener(PROFILE.triggers)
    for n in range(60):
        listener.error(START.plus(n), f"ERROR:{chr(97 + n % 26)}{chr(97 + n // 26)}:boom")
    form = next(f for f in PROFILE.triggers.errors if f.expected)
    listener.error(START.plus(61), form.example)
    found = listener.history(LogReader(PROFILE.logs, Instant(0), listener).summary(), START.plus(62))
    assert [error.expected for error in found.errors if error.name == form.name] == [True]
