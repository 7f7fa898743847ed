"""Check 4 of the runbook: Completeness Back to Normal. Only documents since the boundary count."""

from rollback_gate.suite.subjects import Documents, Services


def test_scores_are_readable(documents: Documents) -> None:
    """Every document has a score between 0 and 1."""
    assert documents.have_readable_scores


def test_clocks_agree(documents: Documents) -> None:
    """The worker's clock agrees with the engine's, so that document times compare with the boundary."""
    assert documents.have_comparable_times


def test_scores_are_in_the_band(documents: Documents) -> None:
    """The mean lies in the band around what was normal; with few documents, each score does."""
    assert documents.lie_in_the_band


def test_metric_is_in_the_band(services: Services) -> None:
    """The metric that the profile names lies in its band."""
    assert services.have_a_metric_in_its_band
