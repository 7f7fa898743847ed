"""What is around the replicas and asked at the end: services left out, answers, what is normal, the chart's past."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence import readiness
from rollback_gate.evidence.answered import Answer, Answered
from rollback_gate.evidence.configured import Configured
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.judged import Judged
from rollback_gate.evidence.readings import Series
from rollback_gate.evidence.services import Services, Slots
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.answers import Ready
from rollback_gate.profile.schema import Profile

_BUCKETS, _FINEST_S = 72, 10.0  # points of the record's chart


@dataclass(frozen=True)
class Asked:
    """`kept`: whether what must stay is there. `request`: sends one, and tells what came of it. `metric`: since the
    boundary, now.
    """

    kept: Callable[[], Mapping[str, bool | Unmeasured]]
    request: Callable[[], Answer]
    metric: Callable[[Instant | None, Instant | Unmeasured], float | Unmeasured | None]


@dataclass(frozen=True)
class Around:
    """Of one verify, or of the checks before a rollback, which send nothing."""

    profile: Profile
    engines: Engines
    documents: Documents | Unmeasured
    services: Services
    configured: Configured
    asked: Asked
    judged: Judged
    now: Callable[[], Instant]

    def left_out(self, everyone: tuple[Replica, ...]) -> dict[str, str]:
        """Also services that are made from the same files, and not as these say now: by the change's, perhaps."""
        found = self.services.left_out(everyone)
        if not self.profile.value_files or not self.judged.invasive:
            return found
        unlisted = [one for one in Deployed(self.profile, self.engines).unlisted(everyone) if one.service]
        now, rewritten = self.configured.now(unlisted), self.configured.rewritten(unlisted, by_content=False)
        for replica in unlisted:
            wanted = now.get(replica.service)
            by_files = rewritten.get(replica.service, ())
            if isinstance(by_files, Unmeasured) or by_files:  # of a stack
                says = by_files.reason if isinstance(by_files, Unmeasured) else f"it has another {', '.join(by_files)}"
                found.setdefault(replica.service, f"is made from the same files as the change, perhaps: {says}")
            if isinstance(wanted, Unmeasured):
                found.setdefault(
                    replica.service, f"is made from the same files as the change, perhaps: {wanted.reason}"
                )
            elif wanted not in (replica.config_hash, SAME_PARTS):
                says = f"is not what Compose makes of {', '.join(self.profile.value_files)} now"
                found.setdefault(replica.service, f"{says}: it may run with the change's values")
        return found

    def answers(self, slots: Slots, early: str) -> Mapping[str, Answer]:
        """What the services answer at the end. Nothing is sent to one that is about to be rolled back."""
        found: dict[str, Answer] = {}
        for name in self.profile.answering:
            if ready := self.profile.services[name].ready if name in self.profile.services else None:
                replicas = [one for one in slots.found if one.service == name]
                found[name] = self._ready(name, ready, replicas)
            elif not self.judged.invasive or early:
                found[name] = Unmeasured("a request to the service", early or "none is sent before a rollback")
            else:
                found[name] = self.asked.request()
        return found

    def _ready(self, name: str, ready: Ready, replicas: list[Replica]) -> Answer:
        try:
            now = [one for replica in replicas if (one := now_of(self.engines, replica))]
        except Unreachable as error:
            return Unmeasured(f"whether {name} is ready", error.message)
        why = readiness.why_not(ready, now, self.engines)
        return why if isinstance(why, Unmeasured) else Answered(not why, why or f"{name} is ready")

    def baseline(self) -> Baseline | None:
        """The snapshot's baseline, else one from documents before the change; None if there is neither."""
        if self.judged.baseline or self.judged.deployed_at is None or isinstance(self.documents, Unmeasured):
            return self.judged.baseline
        found = self.documents.normal_before(self.judged.deployed_at, self.profile.limits.baseline_s)
        return None if isinstance(found, Unmeasured) else found

    def history(self, since: Instant | None) -> Series | Unmeasured | None:
        """Completeness before and after the boundary, for the record's chart; None if it is not wanted."""
        span_s = self.profile.limits.history_s
        if not (span_s and since and self.judged.invasive):
            return None
        if isinstance(self.documents, Unmeasured):
            return self.documents
        bucket_s = max(_FINEST_S, (self.now().seconds_since(since) + span_s) / _BUCKETS)
        first = since.plus(-bucket_s * math.ceil(span_s / bucket_s))  # so that a bucket ends at the boundary
        return self.documents.series(first, bucket_s)
