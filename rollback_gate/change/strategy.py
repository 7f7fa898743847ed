"""How old code gets into a service's containers, decided from their mounts and the Compose file. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollback_gate.errors import Refused
from rollback_gate.platform.compose import ComposeService
from rollback_gate.platform.replica import Mount, Replica
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.profile.schema import Profile


class Strategy(enum.StrEnum):
    """bind: restore and restart. build: build from the project directory and recreate. image: use a retained image.

    setting: no code is restored; values are written, and the containers that get them are recreated. They are so under
    each of the others too.
    """

    BIND = "bind"
    BUILD = "build"
    IMAGE = "image"
    SETTING = "setting"

    @property
    def makes_images(self) -> bool:
        """True if the code's old image is built, or its name given back."""
        return self in (Strategy.BUILD, Strategy.IMAGE)

    @property
    def restores_code(self) -> bool:
        """True if files of the project directory are restored."""
        return self in (Strategy.BIND, Strategy.BUILD)


@dataclass(frozen=True)
class Covered:
    """A file of the project as a container sees it through a bind mount."""

    mount: Mount
    host_path: str


def decide(
    profile: Profile, of_code: Iterable[str], replicas: Iterable[Replica], service: ComposeService | None
) -> Strategy:
    """`of_code`: the services that carry it; `replicas`: theirs. `service`: the one that builds the code, if one does.

    Raises Refused if only some of the restored files are bind-mounted.
    """
    covered = {
        covering_mount(replica.mounts, profile.inside(replica.service, path)) is not None
        for replica in replicas
        for path in _paths(profile, replica.service)
    }
    if any(isinstance(item, ImageItem) and item.is_moved for item in profile.values):
        return Strategy.IMAGE
    if covered == {True}:
        return Strategy.BIND
    if not covered and profile.code and not profile.values:
        make = (
            "scale the service to one" if profile.deployment.platform == "swarm" else "`docker compose up --no-start`"
        )
        raise Refused("no container has the files of the change", f"make one: {make}")
    carriers = set(of_code)
    is_by_image = any(isinstance(item, ImageItem) and carriers & set(item.services) for item in profile.values)
    if profile.values and (is_by_image or not profile.code):
        return Strategy.SETTING
    if covered == {True, False}:
        raise Refused(
            "the code is bind-mounted in some containers or for some files only",
            "make all replicas alike (docker inspect shows their mounts), then try again",
        )
    return Strategy.BUILD if service and service.builds else Strategy.IMAGE


def _paths(profile: Profile, service: str) -> tuple[str, ...]:
    """The restored files that its replicas have; of a change that only adds, what it added."""
    files = (file.path for file in profile.files_of(service) if profile.must_have(service, file.path))
    return tuple(files) if profile.files else profile.removed_of(service)


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
