"""Whether the platform itself is done with the services, and could be asked everywhere. Part of check 2."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, inconclusive, passed
from rollback_gate.platform.stands import Stands
from rollback_gate.profile.schema import Profile

SUBJECT = "the Swarm"
_FORMER_TASKS = 2  # with fewer, a failed task is forgotten as soon as there is another one


def at_rest(readings: Readings, profile: Profile) -> Claim:
    """No update is under way or paused, every node that may run a service was asked, and their clocks agree."""
    stands = readings.stands
    if stands is None:
        return inconclusive(SUBJECT, "it was not asked")
    if isinstance(stands, Unmeasured):
        return inconclusive(SUBJECT, stands)
    if found := tuple(troubles(stands, profile.limits.clock_skew_s)):
        return inconclusive(SUBJECT, found[0], *found[1:])
    nodes = f"{len(stands.apart_s)} nodes were asked" if len(stands.apart_s) != 1 else "1 node was asked"
    most_s = max((abs(found) for found in stands.apart_s.values() if not isinstance(found, Unmeasured)), default=0.0)
    says = f"no update is under way, {nodes}, and their clocks agree within {most_s:.1f} s"
    return passed(SUBJECT, says, Evidence.PROCESS)


def troubles(stands: Stands, limit_s: float) -> Iterator[str]:
    """Why nobody can be sure of what runs, each in words. `limit_s`: how far clocks may be apart."""
    for service, unrest in stands.updates.items():
        if unrest:
            yield f"{service}: {unrest}; see `docker service ps`, let it come to its end, then verify again"
    for service, nodes in stands.unasked.items():
        for node in nodes:
            yield f"{node.what}, which may run {service}, could not be asked: {node.reason}"
    if stands.remembers is not None and 0 <= stands.remembers < _FORMER_TASKS:
        says = f"the Swarm's task history limit is {stands.remembers}: whether a task has failed before cannot be seen"
        yield f"{says}; `docker swarm update --task-history-limit 5`, wait some minutes, then verify again"
    for name, apart in stands.apart_s.items():
        if isinstance(apart, Unmeasured):
            yield str(apart)
        elif abs(apart) > limit_s:
            off = f"is {abs(apart):.0f} s off the manager's (limit {limit_s:.0f} s)"
            yield f"the clock of node {name} {off}: set it right, and restart what runs there"
