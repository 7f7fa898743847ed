"""Check 4 of the runbook: Completeness Back to Normal. Over documents since the boundary only."""

from rollback_gate.checks import completeness
from rollback_gate.evidence.readings import Readings
from rollback_gate.profile.schema import Profile
from rollback_gate.suite.pytest_plugin import Conclude


def test_scores_are_readable(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """Every document has a score between 0 and 1."""
    assert conclude(completeness.readable_scores(readings, profile)).passed


def test_clocks_agree(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """The worker's clock is the engine's, so that documents since the boundary are those since the boundary."""
    assert conclude(completeness.clock(readings, profile)).passed


def test_scores_are_in_the_band(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """The mean lies in the band around what was normal; of a few documents, each one does."""
    assert conclude(completeness.in_band(readings, profile)).passed
