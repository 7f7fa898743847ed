"""Check 2 of the runbook: Worker Is Running. Asked of every replica of every service that carries the change."""

from rollback_gate.checks import consuming, worker_running
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.profile.schema import Profile
from rollback_gate.suite.pytest_plugin import Conclude


def test_expected_number_of_replicas_runs(readings: Readings, conclude: Conclude) -> None:
    """As many replicas as are normal exist and run."""
    assert conclude(worker_running.expected_number(readings)).passed


def test_no_replica_comes_or_goes(readings: Readings, conclude: Conclude) -> None:
    """The containers at the end of the checks are those of their beginning."""
    assert conclude(worker_running.same_replicas(readings)).passed


def test_replica_is_running_and_healthy(replica: ReplicaReading, readings: Readings, conclude: Conclude) -> None:
    """Running, not restarting, not paused, healthy where it has a health check."""
    assert conclude(worker_running.state(readings, replica)).passed


def test_replica_stays_up(replica: ReplicaReading, readings: Readings, conclude: Conclude) -> None:
    """The same container and process over the soak window, without a restart."""
    assert conclude(worker_running.stays_up(readings, replica)).passed


def test_replica_started_without_errors(consumer: ReplicaReading, profile: Profile, conclude: Conclude) -> None:
    """No import error or traceback before it reports that it consumes; a consumer of the queue."""
    assert conclude(consuming.clean_start(consumer, profile)).passed


def test_replica_logs_few_errors(consumer: ReplicaReading, profile: Profile, conclude: Conclude) -> None:
    """Error lines since the boundary, known noise of the old code not counted, stay within the limit."""
    assert conclude(consuming.few_errors(consumer, profile)).passed


def test_replica_runs_the_intended_image(replica: ReplicaReading, conclude: Conclude) -> None:
    """Started from the image and configuration that the rollback intended."""
    assert conclude(worker_running.image_and_configuration(replica)).passed


def test_configuration_is_the_one_of_now(readings: Readings, conclude: Conclude) -> None:
    """Replicas of one service are alike, and a new one would be too."""
    assert conclude(worker_running.configurations(readings)).passed
