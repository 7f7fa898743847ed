"""Whether every node sees the files that were just restored: a network file system may show old ones for a while.

A task that starts meanwhile would load them, and a minute later nothing but its memory would tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rollback_gate.change.content import Source
from rollback_gate.change.goal import Goal
from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import RollbackFailed, Unreachable
from rollback_gate.platform.archive import digest_in, exists_in
from rollback_gate.platform.engine import Engine
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
        """By one container on each node; what does not answer, or is gone, is passed over. Raises RollbackFailed.

        What is to be gone is waited for and no more: a process of the change may make it again.
        """
        one_each = list({(one.node, one.service): one for one in replicas}.values())
        deadline = self.clock() + _LIMIT_S
        while True:
            other = [(one, path) for one in one_each for path in self._other(goal, one)]
            if not other and (self.clock() > deadline or not any(self._there(goal, one) for one in one_each)):
                return
            if self.clock() > deadline:
                raise _still_shown(*other[0])
            self.sleep(_POLL_S)

    def _other(self, goal: Goal, replica: Replica) -> list[str]:
        """Files that its node shows otherwise than they are to be."""
        must_have, path = self.profile.must_have, self.profile.inside
        its = (one for one in goal.sources if must_have(replica.service, one.path))
        files = [one for one in its if self._is_mounted(replica, path(replica.service, one.path))]

        def is_other(engine: Engine, source: Source) -> bool:
            return digest_in(engine, replica.id, path(replica.service, source.path)) != source.digest

        def is_missing(engine: Engine, returned: str) -> bool:
            return not exists_in(engine, replica.id, path(replica.service, returned))

        wrong = self._asked(replica, lambda engine: [one.path for one in files if is_other(engine, one)])
        missing = [one for one in goal.put_back if self._is_mounted(replica, path(replica.service, one))]
        return wrong + self._asked(replica, lambda engine: [one for one in missing if is_missing(engine, one)])

    def _there(self, goal: Goal, replica: Replica) -> list[str]:
        places = {one: self.profile.inside(replica.service, one) for one in goal.remove}
        mounted = {one: path for one, path in places.items() if self._is_mounted(replica, path)}
        return self._asked(
            replica, lambda engine: [one for one, path in mounted.items() if exists_in(engine, replica.id, path)]
        )

    def _asked(self, replica: Replica, question: Callable[[Engine], list[str]]) -> list[str]:
        """[] where nobody answers; a container that is gone answers like one without the file."""
        try:
            engine = self.engines.of(replica)
            found = question(engine)
            return found if found and engine.inspect(replica.id) is not None else []
        except Unreachable:
            return []

    @staticmethod
    def _is_mounted(replica: Replica, path: str) -> bool:
        return covering_mount(replica.mounts, path) is not None


def _still_shown(replica: Replica, path: str) -> RollbackFailed:
    says = f"node {replica.node} still shows another {path}, {_LIMIT_S:.0f} s after the files were restored"
    return RollbackFailed(says, f"look at the mount there, then resume: no task of {replica.service} was touched")
