from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from rollback_gate.checks.consuming import few_errors
from rollback_gate.evidence.error_lines import ErrorLines
from rollback_gate.evidence.log_lines import LogReader, LogSummary, kinds, summarize
from rollback_gate.evidence.logs import whole_lines
from rollback_gate.instant import Instant
from tests.unit.builders import CAPTURES, phase1, replica_reading

FORMS = phase1().logs
LOGS = sorted((CAPTURES / "logs").glob("*.log"))
# No line of these could show the change: no document was finished, and no MCP trouble was classified.
SHOWS_NOTHING = {"phase1-startup.log", "phase1-crash-loop.log", "phase1-import-error.log", "phase1-real-mcp-server.log"}


def stamped(*texts: str) -> list[str]:
    return [f"2026-11-23T12:00:00.{number:09d}Z {text}" for number, text in enumerate(texts)]


def capture(path: Path) -> LogSummary:
    lines = path.read_text().splitlines()
    has_stamps = "timestamped" in path.name or "second-document" in path.name
    return summarize(lines if has_stamps else stamped(*lines), FORMS, Instant(0))


def test_there_are_captures() -> None:
    assert len(LOGS) == 20


@pytest.mark.parametrize("path", [p for p in LOGS if p.name.startswith("before-")], ids=lambda p: p.stem)
def test_old_code_shows_no_sign_of_the_change(path: Path) -> None:
    """Also with timeouts, errors and a refused MCP server; its own error lines are noise, not errors."""
    summary = capture(path)
    assert summary.new == ()
    if "schema-missing" not in path.name:
        assert summary.errors == 0, summary.error_samples


@pytest.mark.parametrize("path", [p for p in LOGS if p.name.startswith("phase1-")], ids=lambda p: p.stem)
def test_the_change_shows_where_it_can(path: Path) -> None:
    """And where nothing could show it, no finished document makes the log look like evidence."""
    summary = capture(path)
    assert bool(summary.new) is (path.name not in SHOWS_NOTHING)
    if path.name in SHOWS_NOTHING:
        assert summary.documents_finished == 0


def test_kinds_are_the_runbooks() -> None:
    found = kinds(capture(CAPTURES / "logs" / "phase1-mcp-timeout.log").new)
    assert found == {"adaptive timeout": 36, "error classification": 58, "new merging of OCR": 1}


def test_only_lines_since_the_boundary_count() -> None:
    """The same container ran Phase 1 first: its old lines are in the same log."""
    path = CAPTURES / "logs" / "phase1-timestamped-docker.log"
    lines = path.read_text().splitlines()
    start = next(line for line in reversed(lines) if "__main__:✓ MongoDB connected" in line)
    boundary = Instant.parse(start.partition(" ")[0])
    assert summarize(lines, FORMS, Instant(0)).new
    assert summarize(lines, FORMS, boundary).new == ()


def test_a_crash_loop_counts_each_failing_start() -> None:
    lines = ["Traceback (most recent call last):", '  File "x"', "ModuleNotFoundError: No module named 'y'"]
    summary = summarize(stamped(*lines * 3), FORMS, Instant(0))
    assert summary.errors == 3
    assert summary.startup_errors == ("ModuleNotFoundError: No module named 'y'",) * 3
    assert summary.consuming_at is None


def test_a_traceback_belongs_to_the_line_before_it() -> None:
    """After noise it is noise, after an error it is that error, chained ones are one."""
    trace = ["Traceback (most recent call last):", "  File", "RuntimeError: x"]
    noise = "ERROR:enrichment_service.mcp_client.client:Connection lost: cannot call recv while another coroutine is already running recv"
    assert summarize(stamped(noise, *trace), FORMS, Instant(0)).errors == 0
    assert summarize(stamped("ERROR:c:broken", *trace), FORMS, Instant(0)).errors == 1
    chained = [*trace, "", "During handling of the above exception, another exception occurred:", "", *trace]
    assert summarize(stamped(*chained), FORMS, Instant(0)).errors == 1
    assert summarize(stamped("Traceback (most recent call last):", "  File"), FORMS, Instant(0)).errors == 1


@pytest.mark.parametrize("path", [p for p in LOGS if p.name.startswith("before-")], ids=lambda p: p.stem)
def test_the_noise_of_old_code_stays_within_its_rate(path: Path) -> None:
    """Of the real worker's own logs nothing counts as an error, and not one form of noise goes beyond what is allowed."""
    if "schema-missing" not in path.name:
        claim = few_errors(replica_reading(log=capture(path)), phase1("limits.errors=0"))
        assert claim.passed, claim


def test_scores_and_completions_of_a_real_worker() -> None:
    """Its first document scored 27.8 %; of the further ones the log shows pick-ups only."""
    summary = capture(CAPTURES / "logs" / "before-second-document-2.log")
    assert summary.scores == {"doc_1.jpg": 0.278}
    assert summary.completions == {"doc_1.jpg": 1}
    assert set(summary.unfinished) == {"doc_2.jpg"}
    assert summary.picked_up == 2


def test_processing_time_is_the_engines() -> None:
    lines = [
        "2026-11-23T12:00:00Z INFO:o:Starting enrichment for document a.jpg",
        "2026-11-23T12:00:01Z INFO:o:Starting enrichment for document b.jpg",
        "2026-11-23T12:00:02.5Z INFO:w:✓ Task task_job_a.jpg completed successfully",
    ]
    summary = summarize(lines, FORMS, Instant(0))
    assert summary.finished == {"a.jpg": 2.5}
    assert summary.unfinished == {"b.jpg": Instant.parse("2026-11-23T12:00:01Z")}


def test_colours_long_lines_and_rubbish() -> None:
    """ANSI codes hide nothing, a megabyte line is cut, bytes that are no text are replaced."""
    coloured = "\x1b[33mWARNING\x1b[0m:o:Agent a tool t failed with \x1b[1mtimeout: x"
    assert summarize(stamped(coloured), FORMS, Instant(0)).new
    chunks = [b"2026-11-23T12:00:00Z \xff\xfe", b"x" * (3 << 20), b"\n2026-11-23T12:00:01Z end\nno timestamp"]
    lines = b"".join(whole_lines(chunks)).decode(errors="replace").splitlines()
    assert len(lines) == 3
    assert summarize(lines, FORMS, Instant(0)).unreadable_lines == 1


def test_memory_does_not_grow_with_the_log() -> None:
    """A million lines leave a summary of a few kilobytes."""
    reader = LogReader(FORMS, Instant(0))
    lines = stamped("INFO:o:nothing", "ERROR:o:bad", "WARNING:o:Agent a tool t failed with timeout: x")
    reader.feed(lines[0])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(10_000):
        for line in lines:
            reader.feed(line)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000


def test_json_lines_have_no_level_and_say_so() -> None:
    """One entry point logs so: only its tracebacks show errors."""
    record = '{"message": "it broke", "exc_info": "Traceback (most recent call last):\\n  File\\nRuntimeError: x"}'
    summary = summarize(stamped(record, '{"message": "fine"}'), FORMS, Instant(0))
    assert (summary.errors, summary.without_level) == (1, 2)
    assert summary.error_samples == ("RuntimeError: x",)


HANDLER = "ERROR:gnsq.consumer.t.c:[nsqd:4150] caught exception while handling message"
TRACE = "Traceback (most recent call last):"
DIRECT = "The above exception was the direct cause of the following exception:"
BROKEN_PIPE = "BrokenPipeError: [Errno 32] Broken pipe"
SOCKET_ERROR = "gnsq.errors.NSQSocketError: [Errno 32] Broken pipe"


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ((HANDLER, TRACE, "  File", BROKEN_PIPE, "", DIRECT, "", TRACE, "  File", SOCKET_ERROR), 0),
        ((HANDLER, TRACE, "  File", "gnsq.errors.NSQException: already responded"), 0),
        ((HANDLER, TRACE, "  File", "KeyError: 'ocr_data'"), 1),
        ((HANDLER, TRACE, "  File", "KeyError: 'ocr_data'", DIRECT, TRACE, "  File", SOCKET_ERROR), 1),
        ((HANDLER, TRACE, "  File", BROKEN_PIPE, DIRECT, TRACE, "  File", "pymongo.errors.AutoReconnect: gone"), 1),
        ((HANDLER, "INFO:__main__:something else"), 1),
    ],
)
def test_the_consumers_last_resort_is_noise_only_by_what_it_caught(lines: tuple[str, ...], errors: int) -> None:
    """The same line reports a connection that the queue has dropped, and whatever the handler itself did wrong."""
    assert summarize(stamped(*lines), FORMS, Instant(0)).errors == errors


def test_a_summary_in_the_middle_of_a_traceback_changes_nothing() -> None:
    """A log is read on while it is written."""
    lines = stamped(HANDLER, TRACE, "  File", BROKEN_PIPE, "", DIRECT, "", TRACE, "  File", SOCKET_ERROR, TRACE, "x: y")
    reader = LogReader(FORMS, Instant(0))
    for line in lines:
        reader.feed(line)
        reader.summary()
    assert reader.summary() == summarize(lines, FORMS, Instant(0))


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("no close frame received or sent", 0),
        ("received 1001 (going away); then sent 1001 (going away)", 0),
        ("sent 1011 (internal error) keepalive ping timeout; no close frame received", 0),
        ("'NoneType' object has no attribute 'recv'", 1),
    ],
)
def test_a_lost_connection_is_noise_where_the_server_has_closed_it(text: str, errors: int) -> None:
    line = f"ERROR:enrichment_service.mcp_client.client:Connection lost: {text}"
    assert summarize(stamped(line), FORMS, Instant(0)).errors == errors


@pytest.mark.parametrize(
    ("document", "task"),
    [("my scan 7.pdf", "job-x_my scan 7.pdf"), ("d1", "6d9f0c52-0d34-4c5a-9c3a-3b2d8b8f4d11"), ("101", "unknown")],
)
def test_a_document_of_any_name_is_seen_through(document: str, task: str) -> None:
    """With spaces, a number, or in a task whose id does not hold it."""
    found = summarize(
        stamped(
            f"INFO:enrichment_service.workers.enrichment_worker:Starting enrichment for document {document}",
            f"INFO:enrichment_service.workers.enrichment_worker:Document {document} completeness: 27.8% (5/18 fields)",
            f"INFO:enrichment_service.workers.enrichment_worker:Task {task} completed successfully",
        ),
        FORMS,
        Instant(0),
    )
    assert (list(found.finished), found.unfinished, found.scores) == ([document], {}, {document: 0.278})


def test_a_document_that_comes_again_is_in_work_since_its_first_pick_up() -> None:
    """Otherwise the queue's time-out would make every hanging document young."""
    again = ["INFO:enrichment_service.workers.agent_orchestrator:Starting enrichment for document a.jpg"] * 3
    summary = summarize(stamped(*again), FORMS, Instant(0))
    assert summary.picked_up == 3
    assert list(summary.unfinished.values()) == [summary.first_picked_up_at]


def test_a_document_that_is_delivered_again_is_finished_by_its_last_delivery() -> None:
    """It waited for its queue in between; and a second completion does not make the first one slower."""
    lines = [
        "INFO:enrichment_service.workers.agent_orchestrator:Starting enrichment for document a.jpg",
        "INFO:enrichment_service.workers.agent_orchestrator:Starting enrichment for document a.jpg",
        "INFO:__main__:✓ Task task_job_a.jpg completed successfully",
    ]
    at = ["2026-11-23T12:00:00.0Z", "2026-11-23T12:10:00.0Z", "2026-11-23T12:10:01.0Z"]
    again = ["2026-11-23T12:20:00.0Z", "2026-11-23T12:20:00.0Z", "2026-11-23T12:29:00.0Z"]
    stamped_lines = [f"{moment} {text}" for moment, text in zip(at + again, lines * 2, strict=True)]
    assert summarize(stamped_lines, FORMS, Instant(0)).finished == {"a.jpg": 1.0}


def test_an_error_is_told_with_the_end_of_its_traceback() -> None:
    """Which module is missing stands there, and in no other line."""
    lines = ErrorLines(phase1().logs)
    text = (
        "ERROR:x:cannot create the job",
        "Traceback (most recent call last):",
        '  File "/app/coordinator.py", line 80, in create',
        "ModuleNotFoundError: No module named 'errors'",
        "INFO:x:next",
    )
    for line in text:
        lines.feed(line, consuming=False)
    assert lines.samples == ["ERROR:x:cannot create the job: ModuleNotFoundError: No module named 'errors'"]
    assert lines.count == 1
