from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.instant import Instant


@given(st.integers(0, 4 * 10**18))
def test_text_and_back_is_exact(ns: int) -> None:
    """Nanoseconds survive: a log is cut at a process's start."""
    assert Instant.parse(str(Instant(ns))).ns == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01.5Z", 15 * 10**8),
        ("1970-01-01T02:00:01.000000001+02:00", 10**9 + 1),
    ],
)
def test_forms_of_the_engine(text: str, ns: int) -> None:
    assert Instant.parse(text).ns == ns


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-23 12:00:00", "2026-11-23T12:00:00"])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an RFC 3339 time"):
        Instant.parse(text)


def test_a_naive_datetime_is_utc() -> None:
    """As MongoDB gives it, and whatever the local zone is."""
    naive = datetime.datetime(2026, 11, 23, 12, 0, 0, 387000)  # noqa: DTZ001
    assert str(Instant.from_datetime(naive)) == "2026-11-23T12:00:00.387000000Z"
