"""How old code gets into the container. Pure: decided from the containers' mounts and the Compose file."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollback_gate.errors import Refused
from rollback_gate.platform.compose import ComposeService
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.schema import Profile


class Strategy(enum.StrEnum):
    """bind: restore and restart. build: build from the tree, then recreate. image: go back to a retained image."""

    BIND = "bind"
    BUILD = "build"
    IMAGE = "image"


@dataclass(frozen=True)
class Covered:
    """A file of the project as a container sees it through a bind mount."""

    mount: Mount
    host_path: str


def decide(profile: Profile, replicas: Iterable[Replica], service: ComposeService | None) -> Strategy:
    """Raises Refused when some of the restored files are bind-mounted and others are not."""
    covered = {
        covering_mount(replica.mounts, profile.inside(replica.service, file.path)) is not None
        for replica in replicas
        for file in profile.files
    }
    if covered == {True}:
        return Strategy.BIND
    if covered == {True, False}:
        raise Refused(
            "the code is bind-mounted in some containers or for some files only",
            "make all replicas alike (docker inspect shows their mounts), then try again",
        )
    return Strategy.BUILD if service and service.builds else Strategy.IMAGE


def covering_mount(mounts: Iterable[Mount], path: str) -> Covered | None:
    """The bind mount through which a container sees this path, and the path on the host; None where it sees no such."""
    mount = innermost(mounts, path)
    if mount is None or mount.kind != "bind":
        return None
    return Covered(mount, str(PurePosixPath(mount.source) / PurePosixPath(path).relative_to(mount.target)))


def innermost(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount of any kind that holds this path of the container: it hides those around it."""
    fitting = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.target)]
    return max(fitting, key=lambda mount: len(PurePosixPath(mount.target).parts), default=None)
