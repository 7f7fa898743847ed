"""Check 2 of the runbook: Worker Is Running. Judged for every replica of every service that carries the change."""

from rollback_gate.suite.subjects import Consumer, Replica, Services


def test_expected_number_of_replicas_runs(services: Services) -> None:
    """The normal number of replicas exists and runs."""
    assert services.have_all_replicas


def test_no_replica_comes_or_goes(services: Services) -> None:
    """The containers at the end of the checks are those of the beginning."""
    assert services.keep_their_replicas


def test_replica_is_running_and_healthy(replica: Replica) -> None:
    """Running, not restarting, not paused, and healthy if it has a health check."""
    assert replica.is_running_and_healthy


def test_replica_stays_up(replica: Replica) -> None:
    """The same container and process throughout the soak, without a restart."""
    assert replica.stays_up


def test_replica_started_without_errors(consumer: Consumer) -> None:
    """No import error or traceback before it reports that it consumes; it is a consumer of the queue."""
    assert consumer.started_cleanly


def test_replica_logs_few_errors(replica: Replica) -> None:
    """Error lines since the boundary, less the old code's known noise, stay within the limit; no import fails."""
    assert replica.logs_few_errors


def test_replica_runs_the_intended_image(replica: Replica) -> None:
    """Started from the image and configuration that the rollback intended."""
    assert replica.runs_the_intended_image


def test_configuration_is_the_one_of_now(services: Services) -> None:
    """Replicas of one service are alike, and a new one would be too."""
    assert services.would_be_configured_alike


def test_platform_is_at_rest(services: Services) -> None:
    """No update is under way, every node that may run a service was asked, and the nodes' clocks agree."""
    assert services.are_left_alone_by_the_platform


def test_what_must_stay_is_there(services: Services) -> None:
    """What the profile names under [[keep]] is still there after the rollback."""
    assert services.leave_what_must_stay
