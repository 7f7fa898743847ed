"""The picture of completeness in the record."""

from __future__ import annotations

from rollback_gate.record.picture import as_source, completeness_over_time, distribution
from tests.unit.triggers.situations import NOW, series


def test_the_same_data_gives_the_same_picture_without_scripts() -> None:
    """record.check makes pages anew; and nothing in it runs or is fetched."""
    assert "keep" not in completeness_over_time(series(0.2, 0.4, 0.6), NOW.plus(-1800), None, 0.2)
    first, second = (completeness_over_time(series(0.2, 0.4, 0.6), NOW.plus(-1800), 0.5, 0.2) for _ in "ab")
    assert first == second
    assert first.startswith("<svg")
    assert "<script" not in first
    assert 'href="http' not in first
    assert "below 20%: roll back" in first
    assert as_source(first).startswith("data:image/svg+xml;base64,")


def test_without_documents_there_is_none() -> None:
    assert completeness_over_time(series(), NOW, 0.5, 0.2) == ""


def test_two_points_are_read_faster_in_the_table() -> None:
    assert completeness_over_time(series(0.2, 0.4), NOW.plus(-1800), 0.5, 0.2) == ""
    assert distribution([0.2, 0.3], 0.2, 0.3) == ""


def test_a_dark_page_has_a_dark_picture() -> None:
    """An image follows the reader's colours by itself."""
    assert "prefers-color-scheme: dark" in distribution([0.2, 0.3, 0.3], 0.2, 0.3)
