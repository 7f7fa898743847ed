"""The required checks: which tests must have run to their end, by check. The suite is compared with this list.

A test that is missing from what ran (deselected, skipped, renamed, lost) makes its check inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Required:
    """One test of tests/gate/test_<check>.py; `per_replica`: once for every expected replica."""

    check: str
    test: str
    per_replica: bool

    def ids(self, slots: Iterable[str]) -> tuple[str, ...]:
        base = f"test_{self.check}::{self.test}"
        return tuple(f"{base}[{slot}]" for slot in slots) if self.per_replica else (base,)


CHECKS = ("new_behaviour", "worker_running", "processing", "completeness")
MANIFEST = (
    Required("new_behaviour", "test_restored_files_are_the_old_code", True),
    Required("new_behaviour", "test_removed_modules_are_gone", True),
    Required("new_behaviour", "test_process_started_after_the_restore", True),
    Required("new_behaviour", "test_code_stays_the_same", True),
    Required("new_behaviour", "test_log_shows_no_new_behaviour", True),
    Required("new_behaviour", "test_fresh_documents_carry_no_mark", False),
    Required("worker_running", "test_expected_number_of_replicas_runs", False),
    Required("worker_running", "test_no_replica_comes_or_goes", False),
    Required("worker_running", "test_replica_is_running_and_healthy", True),
    Required("worker_running", "test_replica_stays_up", True),
    Required("worker_running", "test_replica_started_without_errors", True),
    Required("worker_running", "test_replica_logs_few_errors", True),
    Required("worker_running", "test_replica_runs_the_intended_image", True),
    Required("worker_running", "test_dependents_are_running", False),
    Required("processing", "test_document_comes_out_of_every_replica", False),
    Required("processing", "test_documents_are_saved_with_metrics", False),
    Required("processing", "test_no_document_hangs", False),
    Required("processing", "test_nobody_else_consumes_the_queue", False),
    Required("processing", "test_traces_of_test_documents_are_named", False),
    Required("completeness", "test_scores_are_in_the_band", False),
    Required("completeness", "test_scores_are_readable", False),
    Required("completeness", "test_clocks_agree", False),
)


def required_ids(slots: Iterable[str]) -> dict[str, str]:
    """Every test id that must have run, with the check it belongs to."""
    names = tuple(slots)
    return {test_id: required.check for required in MANIFEST for test_id in required.ids(names)}


def gate_id(nodeid: str) -> str:
    """From pytest's node id: `tests/gate/test_x.py::test_y[replica-1]` is `test_x::test_y[replica-1]`."""
    path, _, rest = nodeid.partition("::")
    return f"{path.rpartition('/')[2].removesuffix('.py')}::{rest}"
