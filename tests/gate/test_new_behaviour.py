"""Check 1 of the runbook: No New Error Handling. Judged in every replica, in its log and in new documents."""

from rollback_gate.suite.subjects import Documents, Replica, Services


def test_restored_files_are_the_old_code(replica: Replica) -> None:
    """Every restored file in the replica equals its source, byte for byte."""
    assert replica.holds_the_old_files


def test_removed_modules_are_gone(replica: Replica) -> None:
    """Nothing that the change has added, and the rollback removes, exists in the replica."""
    assert replica.has_no_module_of_the_change


def test_settings_and_images_are_the_old_ones(replica: Replica) -> None:
    """The replica was created with the old settings, and from the old image."""
    assert replica.has_the_old_settings_and_images


def test_process_started_after_the_restore(replica: Replica) -> None:
    """The running process cannot have the new code in memory: it started after the files were restored."""
    assert replica.started_after_the_restore


def test_code_stays_the_same(replica: Replica) -> None:
    """The replica has the same code at the end of the checks as at their beginning."""
    assert replica.keeps_its_code


def test_next_start_is_what_was_judged(replica: Replica) -> None:
    """A restart or a recreate would start the code that was judged."""
    assert replica.would_start_the_same_again


def test_no_service_is_left_out(services: Services) -> None:
    """Every service that carries the change is in the profile, or waived by name."""
    assert services.are_all_judged


def test_log_shows_no_new_behaviour(replica: Replica) -> None:
    """The log shows none of the lines that only the new code prints since the boundary."""
    assert replica.logs_nothing_new


def test_fresh_documents_carry_no_mark(documents: Documents) -> None:
    """No document written since the boundary carries the mark of the new code."""
    assert documents.carry_no_mark
