"""Assigns the containers found to the slots of the expected replicas. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile


def replicas_by_slot(
    profile: Profile, found: Iterable[Replica], unseen: Mapping[str, Iterable[Unmeasured]] | None = None
) -> dict[str, tuple[str, Replica | Unmeasured | None]]:
    """By slot: its service, and the container, None if it was not found.

    Every expected replica of every service has a slot; replicas beyond the expected number have one too, and so have
    those that nobody could see: `unseen`, by service.
    """
    rows = list(found)
    slots: dict[str, tuple[str, Replica | Unmeasured | None]] = {}
    for service, wanted in profile.services.items():
        own: list[Replica | Unmeasured] = [replica for replica in rows if replica.service == service]
        own += (unseen or {}).get(service, ())
        for number in range(max(wanted.replicas, len(own))):
            name = "replica" if wanted.consumes else service
            slots[f"{name}-{number + 1}"] = (service, own[number] if number < len(own) else None)
    return slots
