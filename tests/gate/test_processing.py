"""Check 3 of the runbook: Processing Works."""

from rollback_gate.checks import processing
from rollback_gate.evidence.readings import Readings
from rollback_gate.pytest_plugin import Conclude


def test_probe_comes_out_of_every_replica(readings: Readings, conclude: Conclude) -> None:
    """A test document sent through the queue is picked up, finished in time and saved, by every replica."""
    assert conclude(processing.probe_on_every_replica(readings)).passed


def test_probes_are_saved_with_metrics(readings: Readings, conclude: Conclude) -> None:
    """What was saved has its quality metrics."""
    assert conclude(processing.metrics(readings)).passed


def test_organic_documents_are_processed(readings: Readings, conclude: Conclude) -> None:
    """The worker's own documents come out too; none at all, with nothing waiting, is no fault."""
    assert conclude(processing.organic_documents(readings)).passed


def test_nobody_else_consumes_the_queue(readings: Readings, conclude: Conclude) -> None:
    """Every consumer of the channel is a replica of this deployment."""
    assert conclude(processing.no_strangers(readings)).passed


def test_probes_leave_no_trace(readings: Readings, conclude: Conclude) -> None:
    """Everything that the probes left behind has been removed."""
    assert conclude(processing.leaves_no_trace(readings)).passed
