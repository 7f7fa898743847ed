"""Whether every node sees the files that were just restored: a network file system may show old ones for a while.

A task that starts meanwhile would load them, and a minute later nothing but its memory would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rollback_gate.change.goal import Goal
from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import RollbackFailed, Unreachable
from rollback_gate.platform.archive import digest_in, exists_in
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_LIMIT_S, _POLL_S = 90.0, 1.0  # NFS keeps what it knows of a folder for up to 60 s


@dataclass(frozen=True)
class NodeViews:
    """`clock` counts seconds."""

    profile: Profile
    engines: Engines
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def await_goal(self, goal: Goal, replicas: Iterable[Replica]) -> None:
        """By one container on each node; a node that does not answer is passed over. Raises RollbackFailed."""
        one_each = list({(one.node, one.service): one for one in replicas}.values())
        deadline = self.clock() + _LIMIT_S
        while late := [text for one in one_each for text in self._late(goal, one)]:
            if self.clock() > deadline:
                says = f"{late[0]}, {_LIMIT_S:.0f} s after the files were restored"
                raise RollbackFailed(
                    says,
                    "look at the mount on that node (its cache, or another folder), then resume: no task was touched",
                )
            self.sleep(_POLL_S)

    def _late(self, goal: Goal, replica: Replica) -> Iterator[str]:
        """What its node shows otherwise than it is to be, in words."""
        try:
            engine = self.engines.of(replica)
            for source in goal.sources:
                path = self.profile.inside(replica.service, source.path)
                is_its = self.profile.must_have(replica.service, source.path)
                if is_its and self._is_mounted(replica, path) and digest_in(engine, replica.id, path) != source.digest:
                    yield f"node {replica.node} still shows another {source.path}"
            for removed in goal.remove:
                path = self.profile.inside(replica.service, removed)
                if self._is_mounted(replica, path) and exists_in(engine, replica.id, path):
                    yield f"node {replica.node} still shows {removed}"
        except Unreachable:
            return

    @staticmethod
    def _is_mounted(replica: Replica, path: str) -> bool:
        return covering_mount(replica.mounts, path) is not None
