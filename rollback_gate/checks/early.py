"""What waiting cannot change: a measured NO-GO by digest, process age or mark ends the checks at once."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_gate.checks import new_behaviour, start
from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Outcome
from rollback_gate.profile.schema import Profile


def decided(readings: Readings, profile: Profile) -> str:
    """The first such claim, in words; "" while there is none. What may come up, or come back, gets its second look."""
    failed = (claim for claim in _claims(readings, profile) if claim.outcome is Outcome.FAILED)
    return next((f"{claim.subject} {claim.says}" for claim in failed), "")


def _claims(readings: Readings, profile: Profile) -> Iterator[Claim]:
    for replica in readings.replicas:
        yield new_behaviour.restored_files(readings, replica, profile)
        yield new_behaviour.removed_modules(replica, profile)
        yield start.process_start(replica)
    yield new_behaviour.fresh_documents(readings, profile)
