"""Check 3 of the runbook: Processing Works."""

from rollback_gate.checks import processing
from rollback_gate.evidence.readings import Readings
from rollback_gate.profile.schema import Profile
from rollback_gate.suite.pytest_plugin import Conclude


def test_document_comes_out_of_every_replica(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """Every replica has finished a document since its start, in time, and it was saved."""
    assert conclude(processing.document_from_every_replica(readings, profile)).passed


def test_documents_are_saved_with_metrics(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """What was saved has its quality metrics."""
    assert conclude(processing.metrics(readings, profile)).passed


def test_no_document_hangs(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """No document is in work for longer than the limit, beyond what the old code is known for."""
    assert conclude(processing.in_work(readings, profile)).passed


def test_nobody_else_consumes_the_queue(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """Every consumer of the channel is a replica of this deployment."""
    assert conclude(processing.no_strangers(readings, profile)).passed


def test_traces_of_test_documents_are_named(readings: Readings, conclude: Conclude) -> None:
    """What the gate's own documents cost and left stands in the record."""
    assert conclude(processing.traces(readings)).passed
