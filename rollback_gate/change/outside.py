"""The change read through the engine, from outside a container: needs no shell, and shows the next start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rollback_gate.change.reading import CodeReading, FileReading
from rollback_gate.change.strategy import covering_mount, innermost
from rollback_gate.change.values import Values
from rollback_gate.errors import Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.archive import entry_in, exists_in
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.deployment import CodeItem, FileItem
from rollback_gate.profile.schema import Profile

_LEAST_PARTS = 3  # `/` and `/srv`, as mounted by monitoring, are not a project's tree


@dataclass(frozen=True)
class Outside:
    """The engine's view of the items of a change; a container is asked of the engine that runs it."""

    profile: Profile
    engines: Engines

    def after_a_restart(self, replicas: Iterable[Replica]) -> dict[str, CodeReading | Unmeasured]:
        """By container id, the code that a restart would run: the files behind its mounts now, and its own layer.

        Read once for all containers that would get the same result.
        """
        return _of_each(replicas, self._own_start, self._started_again)

    def _own_start(self, replica: Replica) -> Hashable:
        """Replicas are alike if all items are behind the same mounts; otherwise each one has its own layer."""
        if any(covering_mount(replica.mounts, path) is None for path in self.profile.places(replica.service)):
            return replica.id
        return replica.node, replica.service, frozenset(replica.mounts)

    def _started_again(self, replica: Replica) -> CodeReading | Unmeasured:
        try:
            return self.items_of(replica)
        except Unreachable as error:
            return Unmeasured(f"what a restart of {replica.name} would start", error.message)

    def items_of(self, replica: Replica) -> CodeReading:
        """As `after_a_restart`, for one replica. Raises Unreachable."""
        engine = self.engines.of(replica)
        found = self._items_in(engine, replica.id, replica.service)
        return replace(found, values=Values(self.profile, engine).of(replica))

    def instead_of_inside(self, replica: Replica) -> CodeReading | Unmeasured:
        """The reading for an image without a shell, as far as the engine shows it."""
        reading = self._started_again(replica)
        return reading if isinstance(reading, Unmeasured) else replace(reading, from_outside=True)

    def after_a_recreate(self, replicas: Iterable[Replica]) -> dict[str, CodeReading | Unmeasured]:
        """By container id, the code that a recreate would run: the image that its name points to now, and its mounts.

        Read once for all containers that would get the same result.
        """
        return _of_each(replicas, _new_start, self._made_anew)

    def _made_anew(self, replica: Replica) -> CodeReading | Unmeasured:
        project = self.profile.deployment.project
        try:
            engine = self.engines.of(replica)
            with images.opened(engine, replica.image_name, project, _lasting(replica)) as container:
                return self._items_in(engine, container, replica.service)
        except Unreachable as error:
            return Unmeasured(f"what a recreate of {replica.name} would start", error.message)

    def _items_in(self, engine: Engine, container_id: str, service: str) -> CodeReading:
        files = tuple(self._file(engine, container_id, service, item) for item in self.profile.files_of(service))
        removed = self.profile.removed_of(service)
        left = tuple(path for path in removed if self._is_there(engine, container_id, service, path))
        if engine.inspect(container_id) is None:  # the engine answers the same for a missing file
            raise Unreachable(f"container {container_id[:12]} went while it was being read", "do it again")
        return CodeReading(files, left, in_its_place=self._packages(engine, container_id, service))

    def _packages(self, engine: Engine, container_id: str, service: str) -> tuple[str, ...]:
        """Packages that have the name of a restored file: what a folder holds besides cannot be asked from outside."""
        modules = (item.path for item in self.profile.files_of(service) if item.path.endswith(".py"))
        found = (f"{self.profile.inside(service, path).removesuffix('.py')}/__init__.py" for path in modules)
        return tuple(path for path in found if exists_in(engine, container_id, path))

    def _is_there(self, engine: Engine, container_id: str, service: str, path: str) -> bool:
        return exists_in(engine, container_id, self.profile.inside(service, path))

    def _file(self, engine: Engine, container_id: str, service: str, item: FileItem) -> FileReading:
        entry = entry_in(engine, container_id, self.profile.inside(service, item.path))
        if entry is None:
            return FileReading(item.path, exists=False)
        if entry.data is None:
            return FileReading(item.path, exists=True, is_link=entry.is_link)
        text = entry.data.decode(errors="replace")
        return FileReading(
            path=item.path,
            exists=True,
            digest=hashlib.sha256(entry.data).hexdigest(),
            modified_at=entry.modified_at,
            new=tuple(mark for mark in item.new if mark in text),
            old=tuple(mark for mark in item.old if mark in text),
        )

    def carried_by(self, others: Iterable[Replica], known: Iterable[Replica]) -> dict[str, str]:
        """By service (or container name, if it has no service), what it mounts, contains or was given of the change.

        `known`: replicas of the services that carry it. Containers that cannot be read are included, with the reason.
        """
        rows = list(known)
        behind, volumes = self._behind(rows), self._volumes(rows)
        found: dict[str, str] = {}
        for replica in others:
            name = replica.service or replica.name
            try:
                what = "" if name in found else self._carries(replica, behind, volumes)
            except Unreachable as error:
                what = f"cannot be looked into: {error.message}"
            if what:
                found[name] = what
        return found | {one.service: what for one in rows if (what := self._of_others(one))}

    def _of_others(self, replica: Replica) -> str:
        """What a listed container has of items that name other services only; "" for nothing."""
        for item in self.profile.code:
            inside = self.profile.inside(replica.service, item.path)
            is_named = not item.services or replica.service in item.services
            if not is_named and self._is_new(replica, item, inside):
                return f"has {inside}, and that item does not name it"
        given = self._was_given(replica)
        return f"{given}, and that item does not name it" if given else ""

    def _is_new(self, replica: Replica, item: CodeItem, inside: str) -> bool:
        """A removed path is there, or a file has a text of the change."""
        if not isinstance(item, FileItem):
            return item.only is None and exists_in(self.engines.of(replica), replica.id, inside)
        entry = entry_in(self.engines.of(replica), replica.id, inside)
        text = entry.data.decode(errors="replace") if entry and entry.data else ""
        return any(mark in text for mark in item.new)

    @property
    def _paths(self) -> tuple[str, ...]:
        return (*(item.path for item in self.profile.files), *self.profile.removed())

    def _behind(self, known: Iterable[Replica]) -> dict[str, str]:
        """Items by path on the engine's host: in the project directory, and behind the replicas' bind mounts."""
        places = {str(self.profile.deployment.project_directory / path): path for path in self._paths}
        covered = [
            (path, covering_mount(replica.mounts, self.profile.inside(replica.service, path)))
            for replica in known
            for path in self._paths
        ]
        return places | {mount.host_path: path for path, mount in covered if mount}

    def _volumes(self, known: Iterable[Replica]) -> dict[str, str]:
        """Items by the name of the volume that holds them."""
        covering = [
            (path, innermost(replica.mounts, self.profile.inside(replica.service, path)))
            for replica in known
            for path in self._paths
        ]
        return {mount.name: path for path, mount in covering if mount and mount.name}

    def _carries(self, replica: Replica, behind: Mapping[str, str], volumes: Mapping[str, str]) -> str:
        for place, path in behind.items():
            if any(_holds(mount.source, place) for mount in replica.mounts if mount.source):
                return f"mounts {path}"
        if mounted := next((volumes[mount.name] for mount in replica.mounts if mount.name in volumes), ""):
            return f"mounts the volume that holds {mounted}"
        roots = (*(service.root for service in self.profile.services.values()), replica.working_directory)
        for root in dict.fromkeys(root.rstrip("/") for root in roots):
            for path in self._paths:
                if exists_in(self.engines.of(replica), replica.id, f"{root}/{path}"):
                    return f"contains {root}/{path}"
        return self._was_given(replica)

    def _was_given(self, replica: Replica) -> str:
        """The change's settings and images in a container that no item names."""
        if not self.profile.values:
            return ""
        given = Values(self.profile, self.engines.of(replica)).of_the_change(replica)
        return f"runs with the change's {', '.join(given)}" if given else ""


def _new_start(replica: Replica) -> Hashable:
    return replica.node, replica.service, replica.image_name, frozenset(_lasting(replica))


def _holds(source: str, place: str) -> bool:
    """True if the mounted path is `place`, a parent of it, or below it. Mounts of `/` or `/srv` do not count."""
    if len(PurePosixPath(source).parts) < _LEAST_PARTS:
        return False
    one, other = f"{source.rstrip('/')}/", f"{place.rstrip('/')}/"
    return one.startswith(other) or other.startswith(one)


def _of_each(
    replicas: Iterable[Replica],
    kind: Callable[[Replica], Hashable],
    ask: Callable[[Replica], CodeReading | Unmeasured],
) -> dict[str, CodeReading | Unmeasured]:
    """Readings by container id; only the first replica of each kind is read."""
    alike: dict[Hashable, list[Replica]] = {}
    for replica in replicas:
        alike.setdefault(kind(replica), []).append(replica)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda rows: ask(rows[0]), alike.values())
    return {one.id: reading for rows, reading in zip(alike.values(), found, strict=True) for one in rows}


def _lasting(replica: Replica) -> tuple[Mount, ...]:
    """Mounts that a new container gets too: Compose keeps anonymous volumes."""
    return tuple(mount for mount in replica.mounts if mount.kind in ("bind", "volume"))
