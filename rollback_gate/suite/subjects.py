"""The subjects of the assertions in tests/gate.

Each property asks one rule, keeps its claim for the record, and is true if the claim passed. So a test reads like a
testinfra assertion, and the record still has its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback_gate.checks import (
    answering,
    completeness,
    consuming,
    measured,
    new_behaviour,
    next_start,
    processing,
    start,
    staying,
    undisturbed,
    worker_running,
)
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.model import Claim
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Subject:
    """`keep` receives every claim."""

    readings: Readings
    profile: Profile
    keep: Callable[[Claim], None]

    def _holds(self, claim: Claim) -> bool:
        self.keep(claim)
        return claim.passed


@dataclass(frozen=True)
class Replica(Subject):
    """One expected replica of a service."""

    reading: ReplicaReading

    @property
    def holds_the_old_files(self) -> bool:
        return self._holds(new_behaviour.restored_files(self.readings, self.reading, self.profile))

    @property
    def has_no_module_of_the_change(self) -> bool:
        return self._holds(new_behaviour.removed_modules(self.reading, self.profile))

    @property
    def has_the_old_settings_and_images(self) -> bool:
        return self._holds(new_behaviour.values(self.readings, self.reading, self.profile))

    @property
    def started_after_the_restore(self) -> bool:
        return self._holds(
            start.process_start(self.reading, new_behaviour.has_code(self.profile, self.reading.service))
        )

    @property
    def keeps_its_code(self) -> bool:
        return self._holds(next_start.code_stays(self.reading))

    @property
    def would_start_the_same_again(self) -> bool:
        return self._holds(next_start.next_start(self.readings, self.reading))

    @property
    def logs_nothing_new(self) -> bool:
        return self._holds(new_behaviour.log_lines(self.readings, self.reading, self.profile))

    @property
    def is_running_and_healthy(self) -> bool:
        return self._holds(worker_running.state(self.readings, self.reading))

    @property
    def stays_up(self) -> bool:
        return self._holds(worker_running.stays_up(self.readings, self.reading))

    @property
    def runs_the_intended_image(self) -> bool:
        return self._holds(worker_running.image_and_configuration(self.reading))

    @property
    def logs_few_errors(self) -> bool:
        return self._holds(consuming.few_errors(self.reading, self.profile))


@dataclass(frozen=True)
class Consumer(Replica):
    """A replica that reads the queue."""

    @property
    def started_cleanly(self) -> bool:
        return self._holds(consuming.clean_start(self.reading, self.profile))


@dataclass(frozen=True)
class Services(Subject):
    """All services that carry the change."""

    @property
    def are_all_judged(self) -> bool:
        return self._holds(new_behaviour.nobody_left_out(self.readings, self.profile))

    @property
    def have_all_replicas(self) -> bool:
        return self._holds(worker_running.expected_number(self.readings))

    @property
    def keep_their_replicas(self) -> bool:
        return self._holds(worker_running.same_replicas(self.readings))

    @property
    def answer_as_they_should(self) -> bool:
        return self._holds(answering.answers(self.readings, self.profile))

    @property
    def have_a_metric_in_its_band(self) -> bool:
        return self._holds(measured.metric_in_band(self.readings, self.profile))

    @property
    def leave_what_must_stay(self) -> bool:
        return self._holds(staying.kept(self.readings, self.profile))

    @property
    def are_left_alone_by_the_platform(self) -> bool:
        return self._holds(undisturbed.at_rest(self.readings, self.profile))

    @property
    def would_be_configured_alike(self) -> bool:
        return self._holds(worker_running.configurations(self.readings))


@dataclass(frozen=True)
class Documents(Subject):
    """Documents written since the boundary."""

    @property
    def carry_no_mark(self) -> bool:
        return self._holds(new_behaviour.fresh_documents(self.readings, self.profile))

    @property
    def come_out_of_every_replica(self) -> bool:
        return self._holds(processing.document_from_every_replica(self.readings, self.profile))

    @property
    def have_metrics(self) -> bool:
        return self._holds(processing.metrics(self.readings, self.profile))

    @property
    def do_not_hang(self) -> bool:
        return self._holds(processing.in_work(self.readings, self.profile))

    @property
    def have_readable_scores(self) -> bool:
        return self._holds(completeness.readable_scores(self.readings, self.profile))

    @property
    def have_comparable_times(self) -> bool:
        return self._holds(completeness.clock(self.readings, self.profile))

    @property
    def lie_in_the_band(self) -> bool:
        return self._holds(completeness.in_band(self.readings, self.profile))


@dataclass(frozen=True)
class Queue(Subject):
    """The worker's channel."""

    @property
    def has_no_other_consumer(self) -> bool:
        return self._holds(processing.no_strangers(self.readings, self.profile))

    @property
    def leaves_no_unnamed_trace(self) -> bool:
        return self._holds(processing.traces(self.readings))
