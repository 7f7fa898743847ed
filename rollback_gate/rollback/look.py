"""What is left to do for a goal, read from files and containers, never from a run's own account."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change import settings
from rollback_gate.change.content import Content, Source, classify
from rollback_gate.change.goal import Direction, Goal, How
from rollback_gate.change.outside import Outside
from rollback_gate.change.past import UNCHECKED
from rollback_gate.change.reading import CodeReading, Held, ValueReading
from rollback_gate.change.strategy import Strategy, innermost
from rollback_gate.change.values import Values
from rollback_gate.errors import Unreachable, Unreadable
from rollback_gate.evidence import logs
from rollback_gate.evidence.log_lines import split_timestamp
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.archive import exists_in, file_in
from rollback_gate.platform.compose import Compose, ComposeService
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.profile.schema import Profile
from rollback_gate.regular import content_of
from rollback_gate.rollback import files, moving
from rollback_gate.rollback.places import Place, Reach
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.wanted import Wanted

_APART_NS = 10**9
_HEADER_BYTES = 16
Configured = Callable[[Iterable[Replica]], Mapping[str, str | Unmeasured]]
StackOf = Callable[[Goal], Mapping[str, Wanted]]


@dataclass(frozen=True)
class Look:
    """`goal`: what must hold in the end. `quarantine`: the run's, from which an undo restores; None without a run.

    `configured`: what a new container would be; asked for a change with settings or images only. `stack`: what a
    Swarm's services must be made from for a goal; {} under Compose.
    """

    profile: Profile
    engines: Engines
    directory: Path
    strategy: Strategy
    goal: Goal
    how: How
    quarantine: Path | None
    configured: Configured = lambda _: {}
    stack: StackOf = lambda _: {}

    def situation(
        self,
        compose: Compose,
        services: Mapping[str, ComposeService],
        found: Mapping[str, tuple[Replica, ...]],
    ) -> Situation:
        """Raises Unreachable, OSError."""
        everyone = tuple(replica for rows in found.values() for replica in rows)
        consuming = tuple(r.id for r in found[self.profile.consumer] if self._consumes(r))
        # Code in an image that is not built here: the tree is left alone.
        restore = self._to_restore(self.goal.sources) if self.strategy.restores_code else ()
        to_write = self._to_write()
        with_values = [r for r in everyone if self.profile.values_of(r.service)]
        now = self.configured(with_values) if with_values and not to_write else {}
        ours = self._own_images(services, everyone)
        needs_build = self._needs_build(bool(restore), [r for r in everyone if r.image_name in ours])
        is_by_files = bool(to_write) and self.profile.deployment.platform != "swarm"  # where the spec counts
        made_otherwise = [r for r in with_values if is_by_files or self._is_made_otherwise(r, now.get(r.service))]
        wrong = tuple(r for r in everyone if r in made_otherwise or self._is_stale(r, ours))
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
            values=to_write,
            remove=self._to_remove(),
            put_back=self._to_put_back(),
            tags={name: wanted for name, wanted in self.goal.images.items() if self._image_of(name) != wanted},
            images=self._to_be_built(compose, services, found)
            | _images((r for r in everyone if r.image_name in ours), stale),
            own_images=ours,
            stale=stale,
            consuming=consuming,
            needs_build=needs_build,
            how=self.how,
            stack=self.stack(self.goal),
        )

    def _image_of(self, name: str) -> str | None:
        return self.engines.main.image_id(name)

    # --- files

    def _to_restore(self, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        return tuple(s for s in sources if digest_of(self.directory / s.path) != s.digest)

    def _to_remove(self) -> tuple[str, ...]:
        if not self.strategy.restores_code:
            return ()
        return tuple(moved_by(self.directory, self.goal))

    def _to_put_back(self) -> tuple[str, ...]:
        if self.quarantine is None:
            return ()
        return tuple(path for path in self.goal.put_back if moving.is_there(self.quarantine / path))

    # --- images

    def _own_images(self, services: Mapping[str, ComposeService], everyone: Iterable[Replica]) -> frozenset[str]:
        """Image names that this run builds or retags: a new container of any other image could run anything."""
        if not self.strategy.makes_images:
            return frozenset()
        builds = self.strategy is Strategy.BUILD
        built = {r.image_name for r in everyone if builds and r.service in services and services[r.service].builds}
        return frozenset({*built, *self.goal.images})

    def _to_be_built(
        self, compose: Compose, services: Mapping[str, ComposeService], found: Mapping[str, tuple[Replica, ...]]
    ) -> dict[str, str]:
        """Image ids by name, for services that have no container: a build moves those names too."""
        idle = (name for name, rows in found.items() if not rows and name in services and services[name].builds)
        names = [compose.image_of(services[name]) for name in idle if self.strategy is Strategy.BUILD]
        images = {name: self._image_of(name) for name in names}
        return {name: image_id for name, image_id in images.items() if image_id}

    def _needs_build(self, restores: bool, replicas: list[Replica]) -> bool:
        """Decided by what the image names point to: a container may have been patched. An undo uses the kept images."""
        if self.strategy is not Strategy.BUILD or self.goal.direction is Direction.UNDO:
            return False
        built = self.goal.built
        if built and not restores and all(self._image_of(name) == image_id for name, image_id in built.items()):
            return False  # this run built it from the present tree
        return self.goal.rebuild or restores or self._some_image_is_wrong(replicas)

    def _some_image_is_wrong(self, replicas: list[Replica]) -> bool:
        """True if a new container in place of one of these would have other code than the goal's."""
        found = Outside(self.profile, self.engines).after_a_recreate(replicas)
        return any(self._is_wrong(replica, found[replica.id]) for replica in replicas)

    def _is_wrong(self, replica: Replica, reading: CodeReading | Unmeasured) -> bool:
        if isinstance(reading, Unmeasured):
            raise Unreachable(str(reading), "look at the image by hand; rollback.rebuild builds it in any case")
        wanted = {source.path: source.digest for source in self.goal.sources}
        must = self.profile.must_have
        files = (f for f in reading.files if f.path in wanted and (f.exists or must(replica.service, f.path)))
        wrong = (f.digest != wanted[f.path] for f in files)
        return any(wrong) or any(path in self.goal.remove for path in reading.still_there)

    # --- containers

    def _is_idle(self, replica: Replica, consuming: tuple[str, ...]) -> bool:
        """True if it does not work but should; a change that never came up only has to be started."""
        if self.goal.consumes and replica.service == self.profile.consumer:
            return replica.id not in consuming
        return not (replica.is_running or (replica.restarting and not self.goal.consumes))

    def _is_stale(self, replica: Replica, ours: frozenset[str]) -> bool:
        """True if this container has other code than the goal's, or started before its mounts were last touched."""
        if self.goal.direction is Direction.UNDO and self.strategy.makes_images:
            must = replica.service == self.profile.consumer  # others may have had no container when the run began
            return self.goal.images.get(replica.image_name, "" if must else replica.image_id) != replica.image_id
        if replica.image_name in ours and self._image_of(replica.image_name) != replica.image_id:
            return True  # its image's name now points to another image
        places = self.places(replica)
        if any(place.is_wrong and self._reaches(place, ours) for place in places):
            return True
        mounted = [place.path for place in places if place.reach is Reach.TREE]
        return bool(mounted) and (self._is_of_before(replica) or any(self._is_older(replica, p) for p in mounted))

    def _is_made_otherwise(self, replica: Replica, now: str | Unmeasured | None) -> bool:
        """True if it has not what Compose makes of the files now, or still the change: only a new container does."""
        if isinstance(now, str) and now not in (replica.config_hash, SAME_PARTS):
            return True
        if self.goal.direction is Direction.UNDO:
            if isinstance(now, Unmeasured):
                raise Unreachable(str(now), "whether the change's values are there cannot be told: fix that first")
            return False
        found = Values(self.profile, self.engines.of(replica)).of(replica)
        return any(one.held is Held.NEW or (one.held is not Held.OLD and not one.is_setting) for one in found)

    def _to_write(self) -> tuple[Source, ...]:
        """Files whose settings are not the goal's. Whatever else is in them does not count for a rollback."""
        if self.goal.direction is Direction.UNDO:
            return self._to_restore(self.goal.values)
        held = settings.written(self.profile, self.directory)
        wrong = {item.file for item in self.profile.values if item.file and not _is_old(held[item.place])}
        return tuple(source for source in self.goal.values if source.path in wrong)

    def _is_of_before(self, replica: Replica) -> bool:
        """True if it started before the run being resumed, and that run has touched what containers read."""
        since, started = self.goal.since, replica.started_at
        return since is not None and started is not None and started < since and self._has_touched()

    def _has_touched(self) -> bool:
        read = (*(source.path for source in self.goal.sources), *self.profile.removed())
        return self.quarantine is not None and any(moving.is_there(self.quarantine / path) for path in read)

    def out_of_reach(self, situation: Situation) -> list[Place]:
        """Places where a replica holds the change and no step would fix it."""
        if self.goal.direction is Direction.UNDO:
            return []
        places = [place for replica in situation.everyone for place in self.places(replica)]
        return [p for p in places if p.is_wrong and not p.is_old and not self._reaches(p, situation.own_images)]

    def _reaches(self, place: Place, ours: frozenset[str]) -> bool:
        """True for a mounted tree, unless the strategy is `image`, and for an image that this run builds or retags."""
        if place.reach is Reach.TREE:
            return self.strategy.restores_code
        gets_another = any(isinstance(item, ImageItem) for item in self.profile.values_of(place.replica.service))
        return place.reach is Reach.IMAGE and (place.replica.image_name in ours or gets_another)

    def places(self, replica: Replica) -> list[Place]:
        """Every item of the goal as this replica has it. Tests and documentation are in no container."""
        of_change = set(self.profile.removed_of(replica.service))
        here = {item.path for item in self.profile.files_of(replica.service)}
        found = [self._of_file(replica, source) for source in self.goal.sources if source.path in here]
        gone = [path for path in self.goal.remove if path in of_change]
        found += [self._place(replica, path, is_wrong=self._is_there(replica, path)) for path in gone]
        back = [self._place(replica, path) for path in self.goal.put_back if path in of_change]
        return found + [p.having(not self._is_there(replica, p.path)) for p in back if p.reach is Reach.TREE]

    def _of_file(self, replica: Replica, source: Source) -> Place:
        data = file_in(self.engines.of(replica), replica.id, self.profile.inside(replica.service, source.path))
        if data is None:  # a service that need not have it does not run it
            return self._place(replica, source.path, is_wrong=self.profile.must_have(replica.service, source.path))
        is_old = classify(data, self.profile.file(source.path))[0] is Content.OLD
        return self._place(replica, source.path, is_wrong=data != source.data, is_old=is_old)

    def _is_there(self, replica: Replica, path: str) -> bool:
        return exists_in(self.engines.of(replica), replica.id, self.profile.inside(replica.service, path))

    def _place(self, replica: Replica, path: str, is_wrong: bool = False, is_old: bool = False) -> Place:
        mount = innermost(replica.mounts, self.profile.inside(replica.service, path))
        return Place(replica, path, Reach.by(mount), mount, is_wrong, is_old)

    def _is_older(self, replica: Replica, relative: str) -> bool:
        """True if it started before the last touch of the path, or the last move of a folder above it."""
        path = self.directory / relative
        if replica.started_at is None or not moving.is_there(path):
            return False
        folders = (folder for folder in path.parents if folder.is_relative_to(self.directory))
        return replica.started_at < max(touched_at(path), *(moved_at(folder) for folder in folders))

    def _consumes(self, replica: Replica) -> bool:
        if not replica.is_running or replica.started_at is None:
            return False
        # A rotated log has lost its first lines: logged work proves the same.
        forms = self.profile.logs.progress
        since = replica.logs_since or replica.started_at
        try:
            with contextlib.closing(logs.since(self.engines.of(replica), replica, since)) as blocks:
                return any(_shows(block, forms, since) for block in blocks)
        except Unreadable:
            return True  # without a log, only its state can be seen


def _shows(block: bytes, forms: Iterable[re.Pattern[str]], since: Instant) -> bool:
    """True if a line of the block, at or after `since`, has one of the forms."""
    parts = (split_timestamp(line.decode(errors="replace")) for line in block.split(b"\n"))
    return any(part[0] >= since and any(form.search(part[1]) for form in forms) for part in parts if part)


def _is_old(one: ValueReading | Unmeasured) -> bool:
    return isinstance(one, ValueReading) and one.held is Held.OLD


def digest_of(path: Path) -> str | None:
    return files.digest(path) if path.is_file() else None


def touched_at(path: Path) -> Instant:
    status = path.lstat()
    return Instant(max(status.st_mtime_ns, status.st_ctime_ns))


def moved_at(folder: Path) -> Instant:
    """When a folder itself was last moved, which changes ctime but not mtime; 0 if they differ by 1 s or less."""
    status = folder.lstat()
    return Instant(status.st_ctime_ns if status.st_ctime_ns - status.st_mtime_ns > _APART_NS else 0)


def moved_by(directory: Path, goal: Goal) -> list[str]:
    """What exists of removed paths, and the bytecode that Python would go on taking for a restored file."""
    removed = [p for path in goal.remove for p in _with_bytecode(directory, path)]
    restored = goal.sources if goal.direction is Direction.ROLLBACK else ()
    return [*removed, *(p for source in restored for p in _unchecked(directory, source.path))]


def _with_bytecode(directory: Path, relative: str) -> list[str]:
    """A removed path itself, and the bytecode that Python keeps for a module."""
    path = directory / relative
    return [str(p.relative_to(directory)) for p in (path, *_bytecode(path)) if moving.is_there(p)]


def _unchecked(directory: Path, relative: str) -> list[str]:
    """Bytecode of a file that Python never compares with it (PEP 552)."""
    return [str(p.relative_to(directory)) for p in _bytecode(directory / relative) if _is_unchecked(p)]


def _bytecode(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")) if path.suffix == ".py" else []


def _is_unchecked(path: Path) -> bool:
    try:
        header = content_of(path)[:_HEADER_BYTES]
    except OSError:
        return False  # what cannot be read here cannot be moved either: verify tells it
    return len(header) == _HEADER_BYTES and int.from_bytes(header[4:8], "little") == UNCHECKED


def _images(replicas: Iterable[Replica], stale: tuple[Replica, ...]) -> dict[str, str]:
    """Image ids by name; if replicas differ, that of a stale one: an undo restores it."""
    rows = list(replicas)
    found = {replica.image_name: replica.image_id for replica in rows}
    return {**found, **{replica.image_name: replica.image_id for replica in reversed(rows) if replica in stale}}
