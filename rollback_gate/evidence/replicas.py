"""Which replicas are expected, and which of them are there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile


def replicas_by_slot(profile: Profile, found: Iterable[Replica]) -> dict[str, tuple[str, Replica | None]]:
    """Every expected replica of every service has a slot, found or not; those beyond the expected number have one too.

    By slot: its service, and the container, None where there is none.
    """
    rows = list(found)
    slots: dict[str, tuple[str, Replica | None]] = {}
    for service, wanted in profile.services.items():
        own = [replica for replica in rows if replica.service == service]
        for number in range(max(wanted.replicas, len(own))):
            name = "replica" if wanted.consumes else service
            slots[f"{name}-{number + 1}"] = (service, own[number] if number < len(own) else None)
    return slots
