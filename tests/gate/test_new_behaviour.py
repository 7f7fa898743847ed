"""Check 1 of the runbook: No New Error Handling. Asked inside every replica, in its log and in fresh documents."""

from rollback_gate.checks import new_behaviour
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.profile.schema import Profile
from rollback_gate.suite.pytest_plugin import Conclude


def test_restored_files_are_the_old_code(
    replica: ReplicaReading, readings: Readings, profile: Profile, conclude: Conclude
) -> None:
    """Every restored file in the replica is the source's, byte for byte."""
    assert conclude(new_behaviour.restored_files(readings, replica, profile)).passed


def test_removed_modules_are_gone(replica: ReplicaReading, profile: Profile, conclude: Conclude) -> None:
    """`enrichment_service/errors/` and the other removed modules do not exist in the replica."""
    assert conclude(new_behaviour.removed_modules(replica, profile)).passed


def test_process_started_after_the_restore(replica: ReplicaReading, conclude: Conclude) -> None:
    """The running process cannot have the new code in memory: it is younger than the restored files."""
    assert conclude(new_behaviour.process_start(replica)).passed


def test_code_stays_the_same(replica: ReplicaReading, conclude: Conclude) -> None:
    """At the end of the checks the replica has the code with which they began."""
    assert conclude(new_behaviour.code_stays(replica)).passed


def test_next_start_is_what_was_judged(replica: ReplicaReading, conclude: Conclude) -> None:
    """A restart and a recreate would each start the code that was judged."""
    assert conclude(new_behaviour.next_start(replica)).passed


def test_no_service_is_left_out(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """Every service that carries the change is in the profile, or waived by name."""
    assert conclude(new_behaviour.nobody_left_out(readings, profile)).passed


def test_log_shows_no_new_behaviour(
    replica: ReplicaReading, readings: Readings, profile: Profile, conclude: Conclude
) -> None:
    """No adaptive timeouts and no error classification since the boundary."""
    assert conclude(new_behaviour.log_lines(readings, replica, profile)).passed


def test_fresh_documents_carry_no_mark(readings: Readings, profile: Profile, conclude: Conclude) -> None:
    """No document written since the boundary carries the mark of the new code."""
    assert conclude(new_behaviour.fresh_documents(readings, profile)).passed
