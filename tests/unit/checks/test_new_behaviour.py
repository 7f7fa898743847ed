from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.change.reading import CodeReading
from rollback_gate.checks import new_behaviour, next_start, start
from rollback_gate.evidence.readings import DocumentsReading
from rollback_gate.model import Evidence, Outcome, Unmeasured
from tests.unit.builders import (
    STARTED,
    coordinator,
    documents,
    file_reading,
    log,
    new_line,
    phase1,
    readings,
    replica_reading,
)

UNMEASURED = Unmeasured("the code", "planted")


def with_file(**changes: Any) -> CodeReading:
    return CodeReading((file_reading(**changes),), ())


def test_old_code_passes_and_shows_its_digest() -> None:
    """A replica with the source's file passes, on the strongest evidence."""
    claim = new_behaviour.restored_files(readings(), replica_reading(), phase1())
    assert (claim.outcome, claim.stands_on) == (Outcome.PASSED, Evidence.CODE)
    assert "dddddddd" in claim.details[0]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"digest": "e" * 64}, "is not the source's"),
        ({"new": ("get_tool_timeout",)}, "holds new code: get_tool_timeout"),
        ({"exists": False, "digest": ""}, "does not exist"),
        ({"is_link": True, "digest": ""}, "symbolic link"),
    ],
)
def test_anything_but_the_source_is_red(changes: dict[str, Any], seen: str) -> None:
    """Another digest, new code, no file, a link: each is NO-GO and named."""
    claim = new_behaviour.restored_files(readings(), replica_reading(code=with_file(**changes)), phase1())
    assert claim.outcome is Outcome.FAILED
    assert seen in claim.details[0]


def test_without_a_source_content_decides() -> None:
    """Old texts pass, new texts fail, neither is inconclusive."""
    unknown = readings(source_digests=Unmeasured("the source", "no backup"))
    assert new_behaviour.restored_files(unknown, replica_reading(), phase1()).passed
    some = replica_reading(code=with_file(old=("AGENT_TIMEOUT_SECONDS",)))
    assert new_behaviour.restored_files(unknown, some, phase1()).outcome is Outcome.INCONCLUSIVE
    neither = replica_reading(code=with_file(old=()))
    assert new_behaviour.restored_files(unknown, neither, phase1()).outcome is Outcome.INCONCLUSIVE
    new = replica_reading(code=with_file(new=("get_error_type",)))
    assert new_behaviour.restored_files(unknown, new, phase1()).outcome is Outcome.FAILED


def test_removed_modules() -> None:
    """Gone passes, still there fails and is named."""
    assert new_behaviour.removed_modules(replica_reading(), phase1()).passed
    left = replica_reading(code=CodeReading((file_reading(),), ("enrichment_service/errors",)))
    claim = new_behaviour.removed_modules(left, phase1())
    assert claim.outcome is Outcome.FAILED
    assert claim.details == ("enrichment_service/errors",)


def test_a_folder_of_bytecode_is_a_reason_to_doubt() -> None:
    """Nothing in it can be imported by its name; beside a module that can be it does not count."""
    husk = CodeReading((file_reading(),), ("a",), husks=("a",))
    assert new_behaviour.removed_modules(replica_reading(code=husk), phase1()).outcome is Outcome.INCONCLUSIVE
    other = replace(husk, still_there=(), husks=(), elsewhere=("/srv/p1/a",))
    assert new_behaviour.removed_modules(replica_reading(code=other), phase1()).outcome is Outcome.INCONCLUSIVE
    both = replace(husk, still_there=("a", "b"))
    assert new_behaviour.removed_modules(replica_reading(code=both), phase1()).outcome is Outcome.FAILED


def test_more_documents_than_were_read_prove_nothing() -> None:
    """Marked ones may be among those that were not."""
    many = replace(documents(0.3), truncated=True)
    assert new_behaviour.fresh_documents(readings(documents=many), phase1()).outcome is Outcome.INCONCLUSIVE


def test_new_lines_in_the_log_are_red() -> None:
    """Each kind is named, with a sample."""
    claim = new_behaviour.log_lines(readings(), replica_reading(log=log(new=(new_line(),))), phase1())
    assert claim.outcome is Outcome.FAILED
    assert "error classification" in claim.says
    assert "failed with timeout" in claim.details[0]


def test_a_log_that_could_have_shown_it_is_evidence() -> None:
    """At least one finished document: the new code would have left its line."""
    claim = new_behaviour.log_lines(readings(), replica_reading(), phase1())
    assert (claim.outcome, claim.stands_on) == (Outcome.PASSED, Evidence.LOG)


@pytest.mark.parametrize(
    "hidden", [log(finished={}, finished_at={}, documents_finished=0), Unmeasured("the log", "driver none")]
)
def test_a_log_that_hides_it_stands_on_code_and_document(hidden: Any) -> None:
    """With proof elsewhere it passes and says on what it stands; without, it is inconclusive."""
    silent = replica_reading(log=hidden)
    claim = new_behaviour.log_lines(readings(), silent, phase1())
    assert (claim.outcome, claim.stands_on) == (Outcome.PASSED, Evidence.CODE)
    assert "proves nothing" in claim.says
    unproven = readings(documents=Unmeasured("documents", "planted"))
    assert new_behaviour.log_lines(unproven, silent, phase1()).outcome is Outcome.INCONCLUSIVE


def test_fresh_documents() -> None:
    """Unmarked passes, one marked fails. Of none stored, code and log prove it, or nothing does."""
    assert new_behaviour.fresh_documents(readings(), phase1()).passed
    assert (
        new_behaviour.fresh_documents(readings(documents=documents(0.3, marked=True)), phase1()).outcome
        is Outcome.FAILED
    )
    empty = readings(documents=DocumentsReading(STARTED, ()))
    claim = new_behaviour.fresh_documents(empty, phase1())
    assert claim.passed
    assert "stands on the code, and on the log of 2 finished documents" in claim.says
    for second in (replica_reading(2, code=UNMEASURED), replica_reading(2, log=log(documents_finished=0))):
        blind = replace(empty, replicas=(replica_reading(1), second))
        assert new_behaviour.fresh_documents(blind, phase1()).outcome is Outcome.INCONCLUSIVE


def test_unmeasured_code_is_never_a_pass() -> None:
    """Every claim about the code is inconclusive when it could not be read."""
    blind = replica_reading(code=UNMEASURED)
    for claim in (
        new_behaviour.restored_files(readings(), blind, phase1()),
        new_behaviour.removed_modules(blind, phase1()),
        start.process_start(blind),
    ):
        assert claim.outcome is Outcome.INCONCLUSIVE
        assert "planted" in claim.says


def test_old_code_is_proven_only_by_every_replica() -> None:
    """One blind replica, or no replica at all, proves nothing."""
    assert new_behaviour.is_proven_old(readings(), phase1())
    assert not new_behaviour.is_proven_old(
        readings(replicas=(replica_reading(1), replica_reading(2, code=UNMEASURED))), phase1()
    )
    assert not new_behaviour.is_proven_old(readings(replicas=()), phase1())


OTHER = CodeReading((file_reading(digest="e" * 64),), ())


@pytest.mark.parametrize("after", [OTHER, CodeReading((file_reading(),), ("x",)), None, Unmeasured("the code", "gone")])
def test_code_that_changes_meanwhile_is_inconclusive(after: Any) -> None:
    """Drift is never a verdict."""
    assert next_start.code_stays(replica_reading(1, restarted=after)).outcome is Outcome.INCONCLUSIVE
    assert next_start.code_stays(replica_reading(1)).passed


# --- what would start next, and services that nobody thought of

CHANGE = with_file(new=("get_tool_timeout",), digest="9" * 64)
OTHER = with_file(digest="9" * 64)
AGAIN = CodeReading((file_reading(),), ("enrichment_service/errors",))


@pytest.mark.parametrize("verb", ["restarted", "recreated"])
@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (with_file(), Outcome.PASSED),
        (CHANGE, Outcome.FAILED),
        (AGAIN, Outcome.FAILED),
        (OTHER, Outcome.INCONCLUSIVE),
        (replace(with_file(), in_its_place=("/app/x/__init__.py",)), Outcome.INCONCLUSIVE),
        (CodeReading((file_reading(exists=False, digest=""),), ()), Outcome.INCONCLUSIVE),
        (UNMEASURED, Outcome.INCONCLUSIVE),
        (None, Outcome.INCONCLUSIVE),
    ],
)
def test_a_restart_and_a_recreate_must_start_what_was_judged(verb: str, reading: Any, outcome: Outcome) -> None:
    """The change would come back: NO-GO, whatever runs now; anything else that differs, or is unread, is no GO."""
    assert next_start.next_start(readings(), replica_reading(**{verb: reading})).outcome is outcome


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        (CodeReading((file_reading(),), ()), Outcome.PASSED),
        (AGAIN, Outcome.FAILED),
        (CodeReading((file_reading(exists=False, digest=""),), ()), Outcome.INCONCLUSIVE),
        (UNMEASURED, Outcome.INCONCLUSIVE),
    ],
)
def test_another_node_must_start_it_too(there: Any, outcome: Outcome) -> None:
    """Of a Swarm, where none runs now: an image's name, or a folder, may be something else there."""
    found = readings(elsewhere={"enrichment-worker": {"node-3": there}})
    assert next_start.next_start(found, replica_reading()).outcome is outcome
    other = replica_reading(slot="enrichment-coordinator-1", service="enrichment-coordinator")
    assert next_start.next_start(found, other).passed


def test_modules_that_a_partial_rollback_keeps_may_be_there_after_a_restart_too() -> None:
    kept = replica_reading(code=AGAIN, restarted=AGAIN, recreated=AGAIN)
    assert next_start.next_start(readings(), kept).passed


@pytest.mark.parametrize(
    ("left_out", "outcome"),
    [
        ({}, Outcome.PASSED),
        ({"backend": "mounts x"}, Outcome.INCONCLUSIVE),
        (Unmeasured("services", "planted"), Outcome.INCONCLUSIVE),
    ],
)
def test_a_service_that_carries_the_change_is_listed_or_waived(left_out: Any, outcome: Outcome) -> None:
    assert new_behaviour.nobody_left_out(readings(left_out=left_out), phase1()).outcome is outcome


def test_waived_services_are_named_with_their_reasons() -> None:
    claim = new_behaviour.nobody_left_out(readings(), phase1())
    assert any(detail.startswith("backend is waived: ") for detail in claim.details)


def test_a_service_that_has_none_of_the_files_is_no_proof() -> None:
    """A file that another service does not have is not held against it; one that has none should not be listed."""
    empty = CodeReading((file_reading(exists=False),), ())
    assert new_behaviour.restored_files(readings(), coordinator(code=empty), phase1()).outcome is Outcome.INCONCLUSIVE
    assert new_behaviour.restored_files(readings(), replica_reading(code=empty), phase1()).outcome is Outcome.FAILED


def test_the_log_of_a_service_without_documents_can_only_accuse() -> None:
    world = readings()
    assert new_behaviour.log_lines(world, coordinator(), phase1()).passed
    assert new_behaviour.log_lines(world, coordinator(log=UNMEASURED), phase1()).passed
    accused = new_behaviour.log_lines(world, coordinator(log=log(new=(new_line(),))), phase1())
    assert accused.outcome is Outcome.FAILED
    unproven = new_behaviour.log_lines(world, coordinator(code=UNMEASURED), phase1())
    assert unproven.outcome is Outcome.INCONCLUSIVE


def test_code_read_from_outside_only_says_so() -> None:
    outside = replace(with_file(), from_outside=True)
    claim = new_behaviour.restored_files(readings(), replica_reading(code=outside), phase1())
    assert claim.passed
    assert "no shell" in claim.details[-1]


def test_a_service_without_a_database_is_proven_old_by_its_code() -> None:
    """Nothing could carry a mark; of a profile with a database, an unread one proves nothing."""
    unread = readings(documents=Unmeasured("documents", "no database"))
    assert not new_behaviour.is_proven_old(unread, phase1())
    assert new_behaviour.is_proven_old(unread, phase1().model_copy(update={"database": None}))
