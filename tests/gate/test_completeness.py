"""Check 4 of the runbook: Completeness Back to Normal. Over documents since the boundary only."""

from rollback_gate.checks import completeness


def test_scores_are_readable(readings, conclude):
    """Every document has a score between 0 and 1."""
    assert conclude(completeness.readable_scores(readings)).passed


def test_clocks_agree(readings, profile, conclude):
    """The worker's clock is the engine's, so that documents since the boundary are those since the boundary."""
    assert conclude(completeness.clock(readings, profile)).passed


def test_mean_is_in_the_band(readings, profile, conclude):
    """The mean lies in the band around what was normal, with enough documents to say so."""
    assert conclude(completeness.mean_in_band(readings, profile)).passed
