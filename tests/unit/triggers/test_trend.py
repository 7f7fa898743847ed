"""Where completeness stands and where it goes."""

from __future__ import annotations

import pytest

from rollback_gate.model import Unmeasured
from rollback_gate.triggers.trend import Level, Trend, level, trend
from tests.unit.triggers.situations import NOW, series


def test_a_straight_line_is_found_exactly() -> None:
    """6 points an hour, without any scatter."""
    found = trend(series(0.20, 0.21, 0.22, 0.23, deviation=0.0), NOW, 0.95)
    assert isinstance(found, Trend)
    assert found.per_hour == pytest.approx(0.06)
    assert found.now == pytest.approx(0.235)
    assert found.rises
    assert found.seconds_to(0.5) == pytest.approx((0.5 - 0.235) / 0.06 * 3600)
    assert found.seconds_to(0.1) == 0


def test_scatter_is_no_trend() -> None:
    """A rise that chance explains is not called one."""
    found = trend(series(0.20, 0.23, 0.22, 0.24, documents=3, deviation=0.2), NOW, 0.95)
    assert isinstance(found, Trend)
    assert not found.rises
    assert "no clear trend" in str(found)


@pytest.mark.parametrize("found", [series(0.2, 0.3), series(0.2, 0.3, 0.4, documents=0)])
def test_too_few_intervals_are_unmeasured(found: object) -> None:
    assert isinstance(trend(found, NOW, 0.95), Unmeasured)  # type: ignore[arg-type]


def test_the_level_is_of_the_last_minutes_only() -> None:
    found = level(series(0.1, 0.1, 0.6, 0.6), NOW.plus(-1200), 0.95)
    assert isinstance(found, Level)
    assert found.scored == 24
    assert found.mean == pytest.approx(0.6)
    assert 0.58 < found.low < 0.6 < found.high < 0.62
