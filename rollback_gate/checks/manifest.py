"""The required tests of each check, as the profile asks them. The suite's results are compared with this list.

A required test that did not run (deselected, skipped, renamed, lost) makes its check inconclusive.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from rollback_gate.profile.schema import Optional, Profile


class Each(enum.Enum):
    """How often a test runs; the value is the name of its fixture, "" for none."""

    ONCE = ""
    REPLICA = "replica"
    CONSUMER = "consumer"


@dataclass(frozen=True)
class Required:
    """One test of tests/gate/test_<check>.py, and how often it runs."""

    check: str
    test: str
    each: Each = Each.ONCE

    def ids(self, slots: Mapping[str, bool]) -> tuple[str, ...]:
        base = f"test_{self.check}::{self.test}"
        if self.each is Each.ONCE:
            return (base,)
        # Sorted: a record is read back with its slots in another order, and must give the same findings.
        ordered = sorted(slots.items(), key=lambda slot: (not slot[1], slot[0]))
        return tuple(f"{base}[{slot}]" for slot, consumes in ordered if consumes or self.each is Each.REPLICA)


@dataclass(frozen=True)
class Own:
    """One check of the team's own. `service`: whose replicas it is asked of, as slots begin; "" for all.

    `each`: it is asked of each replica; else once. `digest`: of its file. `trouble`: why it cannot be asked.
    """

    id: str
    says: str
    service: str
    each: bool
    digest: str
    trouble: str = ""

    def ids(self, slots: Mapping[str, bool]) -> tuple[str, ...]:
        if not self.each:
            return (self.id,)
        own = sorted(slot for slot in slots if self.service in ("", slot.rpartition("-")[0]))
        return tuple(f"{self.id}[{slot}]" for slot in own)


OWN = "own"  # the fifth section, where a team has checks of its own
CHECKS = ("new_behaviour", "worker_running", "processing", "completeness")
MANIFEST = (
    Required("new_behaviour", "test_restored_files_are_the_old_code", Each.REPLICA),
    Required("new_behaviour", "test_removed_modules_are_gone", Each.REPLICA),
    Required("new_behaviour", "test_settings_and_images_are_the_old_ones", Each.REPLICA),
    Required("new_behaviour", "test_process_started_after_the_restore", Each.REPLICA),
    Required("new_behaviour", "test_code_stays_the_same", Each.REPLICA),
    Required("new_behaviour", "test_next_start_is_what_was_judged", Each.REPLICA),
    Required("new_behaviour", "test_no_service_is_left_out"),
    Required("new_behaviour", "test_log_shows_no_new_behaviour", Each.REPLICA),
    Required("new_behaviour", "test_fresh_documents_carry_no_mark"),
    Required("worker_running", "test_expected_number_of_replicas_runs"),
    Required("worker_running", "test_no_replica_comes_or_goes"),
    Required("worker_running", "test_replica_is_running_and_healthy", Each.REPLICA),
    Required("worker_running", "test_replica_stays_up", Each.REPLICA),
    Required("worker_running", "test_replica_started_without_errors", Each.CONSUMER),
    Required("worker_running", "test_replica_logs_few_errors", Each.REPLICA),
    Required("worker_running", "test_replica_runs_the_intended_image", Each.REPLICA),
    Required("worker_running", "test_configuration_is_the_one_of_now"),
    Required("worker_running", "test_what_must_stay_is_there"),
    Required("worker_running", "test_platform_is_at_rest"),
    Required("processing", "test_document_comes_out_of_every_replica"),
    Required("processing", "test_documents_are_saved_with_metrics"),
    Required("processing", "test_no_document_hangs"),
    Required("processing", "test_nobody_else_consumes_the_queue"),
    Required("processing", "test_traces_of_test_documents_are_named"),
    Required("processing", "test_services_answer"),
    Required("completeness", "test_scores_are_in_the_band"),
    Required("completeness", "test_scores_are_readable"),
    Required("completeness", "test_clocks_agree"),
    Required("completeness", "test_metric_is_in_the_band"),
)


OF_DOCUMENTS = "test_fresh_documents_carry_no_mark"
OF_FILES = "test_restored_files_are_the_old_code"
OF_REMOVED = "test_removed_modules_are_gone"
OF_VALUES = "test_settings_and_images_are_the_old_ones"
OF_PROCESS = "test_process_started_after_the_restore"
OF_KEPT = "test_what_must_stay_is_there"
OF_PLATFORM = "test_platform_is_at_rest"
OF_ANSWERS = "test_services_answer"
OF_METRIC = "test_metric_is_in_the_band"
_OF_QUEUE = tuple(one.test for one in MANIFEST if one.check == "processing" and one.test != OF_ANSWERS)
_OF_SCORES = tuple(one.test for one in MANIFEST if one.check == "completeness" and one.test != OF_METRIC)
_OF_ITEMS = frozenset({OF_FILES, OF_REMOVED, OF_VALUES})  # at least one shows whether the change is there
_MAY_LACK = frozenset({OF_DOCUMENTS, OF_PROCESS, OF_KEPT, OF_PLATFORM, OF_ANSWERS, OF_METRIC, *_OF_QUEUE, *_OF_SCORES})


@dataclass(frozen=True)
class Scope:
    """What one profile asks. `not_asked`: checks that it leaves out by name, each with its reason.

    `without`: names of tests that it has nothing for: without a database, no document can carry a mark; a change that
    is settings only restores no file.
    """

    not_asked: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    own: tuple[Own, ...] = ()

    @classmethod
    def of(cls, profile: Profile, own: tuple[Own, ...] = ()) -> Scope:
        has = {
            OF_FILES: bool(profile.files),
            OF_REMOVED: bool(profile.removed() or profile.files),
            OF_VALUES: bool(profile.values),
            OF_PROCESS: bool(profile.code),
            OF_KEPT: bool(profile.keep),
            OF_PLATFORM: profile.deployment.platform == "swarm",
            OF_DOCUMENTS: profile.database is not None,
            OF_ANSWERS: bool(profile.answering),
            OF_METRIC: profile.metric is not None,
            **dict.fromkeys(_OF_QUEUE, profile.queue is not None),
            **dict.fromkeys(_OF_SCORES, profile.completeness is not None),
        }
        left_out = {str(check): why for check, why in profile.not_asked.items()}
        return cls(left_out, tuple(test for test, is_there in has.items() if not is_there), own)

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Scope:
        """As a record has it. Raises KeyError, TypeError, ValueError."""
        if unknown := {*table["not_asked"]} - {*get_args(Optional)}:
            raise ValueError(f"no profile can leave out {', '.join(sorted(unknown))}")
        without = {*table["without"]}
        if unknown := without - _OF_ITEMS - _MAY_LACK:
            raise ValueError(f"no profile can do without {', '.join(sorted(unknown))}")
        if without >= _OF_ITEMS:
            raise ValueError("no profile can do without every test of the change's items")
        made = cls(dict(table["not_asked"]), tuple(table["without"]), tuple(Own(**row) for row in table["own"]))
        if empty := set(made.checks) - {OWN} - {one.check for one in made.required}:
            raise ValueError(f"no profile can ask {', '.join(sorted(empty))} without any of its tests")
        return made

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that are asked, in their order."""
        asked = tuple(check for check in CHECKS if check not in self.not_asked)
        return (*asked, OWN) if self.own else asked

    @property
    def share(self) -> str:
        """ "3 of 4" checks; "" if all are asked."""
        return f"{len(self.checks)} of {len(CHECKS) + bool(self.own)}" if self.not_asked else ""

    @property
    def required(self) -> tuple[Required, ...]:
        asked = self.checks
        return tuple(one for one in MANIFEST if one.check in asked and one.test not in self.without)

    def ids(self, slots: Mapping[str, bool]) -> dict[str, str]:
        """Every required test id, with its check. `slots`: the expected replicas, and whether each reads the queue."""
        found = {test_id: required.check for required in self.required for test_id in required.ids(slots)}
        return found | {test_id: OWN for own in self.own for test_id in own.ids(slots)}


def gate_id(nodeid: str) -> str:
    """From pytest's node id: `tests/gate/test_x.py::test_y[replica-1]` is `test_x::test_y[replica-1]`."""
    path, _, rest = nodeid.partition("::")
    return f"{path.rpartition('/')[2].removesuffix('.py')}::{rest}"
