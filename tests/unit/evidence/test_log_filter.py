"""Reading fast must read the same: the filter may leave out nothing that any pattern would have seen."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.evidence.log_filter import required, texts_of
from rollback_gate.evidence.log_lines import LogReader, LogSummary, summarize
from rollback_gate.evidence.logs import whole_lines
from rollback_gate.instant import Instant
from tests.unit.builders import CAPTURES, phase1

FORMS = phase1().logs
PATTERNS = [
    FORMS.consuming,
    FORMS.connected,
    FORMS.picked_up,
    FORMS.completed,
    FORMS.error,
    *(form.pattern for form in (*FORMS.noise, *FORMS.new)),
]
CAPTURED = sorted(
    {line for path in (CAPTURES / "logs").glob("*.log") for line in path.read_text(errors="replace").split("\n")}
)
ODD = [
    "",
    " indented",
    "\tat",
    "Traceback (most recent call last):",
    "ValueError: x",
    "\x1b[31mERROR\x1b[0m:x:y",
    "{",
    '{"message": "ERROR:x", "exc_info": "Traceback (most recent call last):\\nA: b"}',
    "a\rb",
    "\x85x",
    '{"message": "Agent a tool t failed \\u001b[33mwith\\u001b[0m timeout: x"}',
    '{"message": "\\u001B[1mRetrying\\u001B[0m in 1s (strategy: x)"}',
    "During handling of the above exception, another exception occurred:",
    "ERROR:a:b",
    "INFO:a:b",
]
UNSTAMPED = ["Error grabbing logs: invalid character", "no stamp at all"]
ODD += UNSTAMPED
LINES = st.lists(
    st.sampled_from(CAPTURED + ODD * 20) | st.text(max_size=40).filter(lambda s: "\n" not in s), max_size=40
)


def stamped(texts: list[str]) -> bytes:
    return b"".join(
        (b"" if text in UNSTAMPED else f"2026-11-23T12:00:{n % 60:02}.000000000Z ".encode())
        + text.encode("utf-8", "replace")
        + b"\n"
        for n, text in enumerate(texts)
    )


def by_blocks(data: bytes, size: int) -> LogSummary:
    reader = LogReader(FORMS, Instant(0))
    for block in whole_lines(data[n : n + size] for n in range(0, len(data), size)):
        reader.feed_block(block)
    return reader.summary()


@given(LINES, st.integers(1, 400) | st.just(1))
def test_by_blocks_as_line_by_line(texts: list[str], size: int) -> None:
    """Whatever the lines are, stamped or not, and wherever the chunks end."""
    data = stamped(texts)
    one_by_one = summarize(data.decode().removesuffix("\n").split("\n") if data else [], FORMS, Instant(0))
    fast = by_blocks(data, size)
    assert {**vars(fast), "size_bytes": 0} == {**vars(one_by_one), "size_bytes": 0}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.pattern[:40])
@given(st.data())
def test_a_match_holds_one_of_the_required_texts(pattern: re.Pattern[str], data: st.DataObject) -> None:
    """For every pattern of the annotated profile a text is known, and every match has one of them."""
    texts = required(pattern)
    assert texts
    made = data.draw(st.from_regex(pattern))
    assert any(text in made for text in texts)


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"abcd|efgh", {"abcd", "efgh"}),
        (r"abcd|", set()),
        (r"(?i)abcd", set()),
        (r"(?:abcd)?efgh", {"efgh"}),
        (r"(?:abcd)+", {"abcd"}),
        (r"\d+ \w+", set()),
        (r"a(?i:bcde)f", set()),
        (r"x✓ done\.", {" done."}),
        (r"(?!abcd)efgh", {"efgh"}),
    ],
)
def test_what_is_required(pattern: str, texts: set[str]) -> None:
    """Only what surely is in each match: neither optional parts, nor those of other letters."""
    assert required(re.compile(pattern)) == texts


def test_a_pattern_without_such_a_text_switches_the_filter_off() -> None:
    """Then every line is looked at: slow, and right."""
    assert texts_of(FORMS)
    loose = FORMS.model_copy(update={"connected": re.compile(r"\d+")})
    assert texts_of(loose) == ()


def test_a_million_finished_documents_leave_a_small_summary() -> None:
    """Constant memory: the last documents are kept, all are counted."""
    reader = LogReader(FORMS, Instant(0))
    tracemalloc.start()
    for n in range(20_000):
        name = f"letter-{n}.jpg"
        reader.feed_block(
            stamped(
                [
                    f"INFO:o:Starting enrichment for document {name}",
                    f"INFO:w:✓ Task task_j_{name} completed successfully",
                ]
            )
        )
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    summary = reader.summary()
    assert (summary.documents_finished, len(summary.finished)) == (20_000, 1000)
    assert grown < 1_000_000
