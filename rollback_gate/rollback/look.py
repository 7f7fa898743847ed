"""What still has to be done for a goal, found from files and containers: never from what a run says it did."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change.content import Source
from rollback_gate.change.goal import Direction, Goal, How
from rollback_gate.change.strategy import Strategy, innermost
from rollback_gate.evidence import logs
from rollback_gate.evidence.log_lines import split_timestamp
from rollback_gate.instant import Instant
from rollback_gate.platform.archive import digest_in, exists_in
from rollback_gate.platform.compose import Compose, ComposeService
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import files
from rollback_gate.rollback.situation import Situation

_APART_NS = 10**9


@dataclass(frozen=True)
class Look:
    """`goal`: what must hold in the end. `quarantine`: of the run, for what an undo puts back."""

    profile: Profile
    engine: Engine
    directory: Path
    strategy: Strategy
    goal: Goal
    how: How
    quarantine: Path | None

    def situation(
        self,
        compose: Compose,
        services: Mapping[str, ComposeService],
        found: Mapping[str, tuple[Replica, ...]],
    ) -> Situation:
        """Raises Unreachable, OSError."""
        everyone = tuple(replica for rows in found.values() for replica in rows)
        worker = found[self.profile.consumer]
        consuming = tuple(r.id for r in worker if self._consumes(r))
        restore = self._to_restore()
        wrong = tuple(r for r in everyone if self._is_stale(r))
        needs_build = self._needs_build(bool(restore), any(r not in wrong for r in worker))
        stale = everyone if needs_build else tuple(r for r in everyone if r in wrong or self._is_idle(r, consuming))
        return Situation(
            self.profile,
            self.directory,
            self.strategy,
            compose,
            services,
            found,
            self.goal,
            restore=restore,
            remove=self._to_remove(),
            put_back=self._to_put_back(),
            tags={name: wanted for name, wanted in self.goal.images.items() if self.engine.image_id(name) != wanted},
            images=_images(everyone, stale),
            stale=stale,
            consuming=consuming,
            needs_build=needs_build,
            how=self.how,
        )

    # --- files

    def _to_restore(self) -> tuple[Source, ...]:
        """Under `image` the code is in the image, and the tree is left alone."""
        if self.strategy is Strategy.IMAGE:
            return ()
        return tuple(s for s in self.goal.sources if digest_of(self.directory / s.path) != s.digest)

    def _to_remove(self) -> tuple[str, ...]:
        if self.strategy is Strategy.IMAGE:
            return ()
        return tuple(p for path in self.goal.remove for p in with_bytecode(self.directory, path))

    def _to_put_back(self) -> tuple[str, ...]:
        if self.quarantine is None:
            return ()
        return tuple(path for path in self.goal.put_back if files.is_there(self.quarantine / path))

    # --- containers

    def _needs_build(self, restores: bool, some_are_right: bool) -> bool:
        """A replica that is right proves its image; an undo goes back to the image that was kept.

        What is built anew may be another image than a replica runs that is right: then all are replaced.
        """
        if self.strategy is not Strategy.BUILD or self.goal.direction is Direction.UNDO:
            return False
        built = self.goal.built
        if built and not restores and all(self.engine.image_id(name) == image_id for name, image_id in built.items()):
            return False  # by this run, of the tree as it is
        return self.goal.rebuild or restores or not some_are_right

    def _is_idle(self, replica: Replica, consuming: tuple[str, ...]) -> bool:
        """Not at work, where it should be; a change that never came up has only to be started."""
        if self.goal.consumes and replica.service == self.profile.consumer:
            return replica.id not in consuming
        return not (replica.is_running or (replica.restarting and not self.goal.consumes))

    def _is_stale(self, replica: Replica) -> bool:
        """Whether this container has other code than the goal's, or started before its files were last touched."""
        if self.goal.direction is Direction.UNDO and self.strategy is not Strategy.BIND:
            return self.goal.images.get(replica.image_name) != replica.image_id
        if self.strategy is not Strategy.BIND and self.engine.image_id(replica.image_name) != replica.image_id:
            return True  # made from an image that its name means no more
        return self._has_wrong_code(replica)

    def out_of_reach(self, situation: Situation) -> list[str]:
        """Replicas that hold the change where no step would mend it, and where that is."""
        if self.goal.direction is Direction.UNDO:
            return []
        names = {r.image_name for r in situation.everyone if self._is_built(situation, r.service)}
        mended = {*names, *self.goal.images} if self.strategy is not Strategy.BIND else set[str]()
        found = ((r, self._beyond(r, mended)) for r in situation.everyone)
        return [f"{r.name} ({where})" for r, where in found if where and self._has_wrong_code(r)]

    def _is_built(self, situation: Situation, service: str) -> bool:
        return service in situation.services and situation.services[service].builds

    def _beyond(self, replica: Replica, mended: set[str]) -> str:
        """Where this replica has a part of the change that the rollback does not reach, "" for nowhere.

        A mounted tree is restored, unless the code comes by an image; a volume outlives every container.
        """
        for path in self.profile.places(replica.service):
            mount = innermost(replica.mounts, path)
            if mount is None and replica.image_name not in mended:
                return f"in its image {replica.image_name}"
            if mount is not None and (mount.kind != "bind" or self.strategy is Strategy.IMAGE):
                return f"in {mount.kind} {mount.name or mount.source} at {mount.target}"
        return ""

    def _has_wrong_code(self, replica: Replica) -> bool:
        return self._has_wrong_modules(replica) or any(self._has_wrong_file(replica, s) for s in self.goal.sources)

    def _has_wrong_modules(self, replica: Replica) -> bool:
        """What is removed is gone from the container, what is put back is there; what no container needs is neither."""
        of_worker = [path for path in self.goal.remove if path in self.profile.removed()]
        if any(exists_in(self.engine, replica.id, self.profile.inside(replica.service, path)) for path in of_worker):
            return True
        returned = [path for path in self.goal.put_back if path in self.profile.removed()]
        return any(
            not exists_in(self.engine, replica.id, self.profile.inside(replica.service, path))
            or self._is_older(replica, self.directory / path)
            for path in returned
        )

    def _has_wrong_file(self, replica: Replica, source: Source) -> bool:
        seen = digest_in(self.engine, replica.id, self.profile.inside(replica.service, source.path))
        if seen is None and replica.service != self.profile.consumer:
            return False  # a service without this file does not run it
        if seen != source.digest:
            return True
        return self.strategy is Strategy.BIND and self._is_older(replica, self.directory / source.path)

    def _is_older(self, replica: Replica, path: Path) -> bool:
        """Than the last touch of the path, or than the last move of a folder on the way to it."""
        if replica.started_at is None or not files.is_there(path):
            return False
        folders = (folder for folder in path.parents if folder.is_relative_to(self.directory))
        return replica.started_at < max(touched_at(path), *(moved_at(folder) for folder in folders))

    def _consumes(self, replica: Replica) -> bool:
        if not replica.is_running or replica.started_at is None:
            return False
        if replica.log_driver == "none":
            return True  # nothing else is to be seen
        # Of a rotated log the first lines are gone: work that it logged proves the same.
        forms = (self.profile.logs.consuming, self.profile.logs.picked_up, self.profile.logs.completed)
        with contextlib.closing(logs.blocks(self.engine, replica, replica.started_at)) as blocks:
            return any(_shows(block, forms, replica.started_at) for block in blocks)


def _shows(block: bytes, forms: Iterable[re.Pattern[str]], since: Instant) -> bool:
    """Whether a line of these, since then, has one of the forms."""
    parts = (split_timestamp(line.decode(errors="replace")) for line in block.split(b"\n"))
    return any(part[0] >= since and any(form.search(part[1]) for form in forms) for part in parts if part)


def digest_of(path: Path) -> str | None:
    return files.digest(path) if path.is_file() else None


def touched_at(path: Path) -> Instant:
    status = path.lstat()
    return Instant(max(status.st_mtime_ns, status.st_ctime_ns))


def moved_at(folder: Path) -> Instant:
    """When a folder itself was last moved, which leaves the time of its content; 0 where nothing tells that."""
    status = folder.lstat()
    return Instant(status.st_ctime_ns if status.st_ctime_ns - status.st_mtime_ns > _APART_NS else 0)


def with_bytecode(directory: Path, relative: str) -> list[str]:
    """What exists of a removed path: itself, and the bytecode that Python keeps beside a module."""
    path = directory / relative
    bytecode = sorted(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")) if path.suffix == ".py" else []
    return [str(p.relative_to(directory)) for p in (path, *bytecode) if files.is_there(p)]


def _images(everyone: Iterable[Replica], stale: tuple[Replica, ...]) -> dict[str, str]:
    """By name, what the containers run; where they differ, what the misbehaving ones do: an undo brings that back."""
    found = {replica.image_name: replica.image_id for replica in everyone}
    return {**found, **{replica.image_name: replica.image_id for replica in reversed(stale)}}
