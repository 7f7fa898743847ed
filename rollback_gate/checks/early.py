"""Early end of the checks: waiting cannot change a NO-GO by digest, process age, log line or mark."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_gate.checks import new_behaviour, start
from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Outcome
from rollback_gate.profile.schema import Profile


def decided(readings: Readings, profile: Profile) -> str:
    """The first such claim, in words; "" if there is none. States that can still recover are not among them."""
    failed = (claim for claim in _claims(readings, profile) if claim.outcome is Outcome.FAILED)
    return next((f"{claim.subject} {claim.says}" for claim in failed), "")


def _claims(readings: Readings, profile: Profile) -> Iterator[Claim]:
    for replica in readings.replicas:
        yield new_behaviour.restored_files(readings, replica, profile)
        yield new_behaviour.removed_modules(replica, profile)
        yield new_behaviour.values(readings, replica, profile)
        yield start.process_start(replica, new_behaviour.has_code(profile, replica.service))
        yield new_behaviour.log_lines(readings, replica, profile)
    yield new_behaviour.fresh_documents(readings, profile)
