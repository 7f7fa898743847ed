"""The waiting time of a verify: soak, organic documents and probes in parallel; and why it ended early."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.processing import Processing
from rollback_gate.evidence.readings import UpstreamReading
from rollback_gate.evidence.services import Services, Slots
from rollback_gate.platform.engines import now_of
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.progress import Waiting

_SETTLE_S = 5.0
_POLL_S, _MARKS_S = 1.0, 5.0


@dataclass(frozen=True)
class Watch:
    """`is_marked`: True if a document written meanwhile carries the change's mark.

    `early`: why waiting cannot change the readings so far, that mark included; "" if it can.
    """

    profile: Profile
    services: Services
    slots: Slots
    processing: Processing
    tell: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    is_marked: Callable[[], bool]
    early: Callable[[], str]

    def until_decided(self, upstream: UpstreamReading, began: float) -> str:
        """Waits until the result is decided; returns why it ended early, "" if it did not."""
        processing = self.processing
        processing.follow()  # the request to the server took some time
        if processing.lacking() and not upstream.answers:
            why = upstream.fix_first
            processing.leave_out(f"no test document was sent into a system that cannot finish it; {why}")
            self.tell(why)
            return why
        soak_s = self.profile.limits.soak_s
        self.tell(f"soak: watching the replicas for {soak_s:.0f} s")
        marks_at, waiting = 0.0, Waiting(self.tell, self.clock)
        while True:
            processing.follow()
            elapsed = self.clock() - began
            now = self._now()
            if [_identity(replica) for replica in now] != [_identity(replica) for replica in self.slots.found]:
                self._settle()
                return ""
            if elapsed >= marks_at:
                marks_at = elapsed + _MARKS_S
                if self.is_marked() and (early := self.early()):
                    return early
            if count := processing.wants_probes(elapsed):
                self.tell(_sending(count))
                processing.send(count)
            if elapsed >= soak_s and not self._awaits_proof(elapsed) and not self._awaits_health(now, elapsed):
                self._wait_for_traces()
                self.tell(f"the replicas were watched for {elapsed:.0f} s")
                return ""
            left = soak_s - (self.clock() - began)
            waiting.on(partial(self._awaited, left))
            self.sleep(left if 0 < left < _POLL_S else _POLL_S)

    def _now(self) -> list[Replica | None]:
        """The containers; None also for one on a node that is lost meanwhile: the last look says why."""
        return [self._as_it_is(replica) for replica in self.slots.found]

    def _as_it_is(self, replica: Replica) -> Replica | None:
        if not replica.node:
            return now_of(self.services.engines, replica)  # without the only engine nothing can be judged
        try:
            return now_of(self.services.engines, replica)
        except Unreachable:
            return None

    def _awaited(self, left: float) -> str:
        """The progress line: what the wait is for, and how long it may take."""
        if left > 0:
            return f"soak: {left:.0f} s left"
        lacking, limits = len(self.processing.lacking()), self.profile.limits
        if lacking:
            who = "1 replica" if lacking == 1 else f"{lacking} replicas"
            return f"soak: over; waiting for {who} to finish a document, {limits.probe_s:.0f} s at most for each"
        return f"waiting for a health check that has not reported yet: {limits.health_s:.0f} s at most"

    def _awaits_proof(self, elapsed: float) -> bool:
        try:
            return self.processing.awaits_proof(elapsed)
        except Unreachable as error:
            self.processing.leave_out(error.message)
            return False

    def _awaits_health(self, now: Iterable[Replica | None], elapsed: float) -> bool:
        """True while a health check has no result yet, for at most limits.health_s."""
        return elapsed < self.profile.limits.health_s and any(one.awaits_health for one in now if one)

    def _wait_for_traces(self) -> None:
        """Waits for probes that are still in work, for at most limits.trace_wait_s."""
        deadline = self.clock() + self.profile.limits.trace_wait_s
        try:
            while self.clock() < deadline and self.processing.is_in_work():
                self.sleep(_POLL_S)
                self.processing.follow()
        except Unreachable:
            return  # reported where the probes are concluded

    def _settle(self) -> None:
        """Waits up to 5 s for changed replicas to run again, before the wait ends.

        During a restart a container is exited; this gives the restart time to complete.
        """
        deadline = self.clock() + _SETTLE_S
        while self.clock() < deadline:
            if all(replica is None or replica.is_running for replica in self._now()):
                return
            self.sleep(0.1)


def _sending(count: int) -> str:
    if count == 1:
        return "1 replica has finished no document by itself: sending a test document"
    return f"{count} replicas have finished no document by themselves: sending as many test documents"


def _identity(replica: Replica | None) -> tuple[object, ...] | None:
    if replica is None:
        return None
    is_alive = replica.is_running or replica.paused  # a backup pauses it briefly: that does not end the watch
    return replica.id, replica.started_at, replica.restart_count, is_alive
