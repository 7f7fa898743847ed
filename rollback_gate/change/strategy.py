"""How old code gets into a service's containers, decided from their mounts and the Compose file. Pure."""

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
    """bind: restore and restart. build: build from the project directory and recreate. image: use a retained image."""

    BIND = "bind"
    BUILD = "build"
    IMAGE = "image"


@dataclass(frozen=True)
class Covered:
    """A file of the project as a container sees it through a bind mount."""

    mount: Mount
    host_path: str


def decide(profile: Profile, replicas: Iterable[Replica], service: ComposeService | None) -> Strategy:
    """Raises Refused if only some of the restored files are bind-mounted."""
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
    """The bind mount that holds this path of a container, and the path on the host; None if no bind mount holds it."""
    mount = innermost(mounts, path)
    if mount is None or mount.kind != "bind":
        return None
    return Covered(mount, str(PurePosixPath(mount.source) / PurePosixPath(path).relative_to(mount.target)))


def innermost(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The innermost mount of any kind that holds this path of the container; None if there is none."""
    fitting = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.target)]
    return max(fitting, key=lambda mount: len(PurePosixPath(mount.target).parts), default=None)
