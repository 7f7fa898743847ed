"""What surrounds the services being rolled back: mounts, networks, other services. Reads files, calls no engine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import Refused
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.moving import mounted_below


def refuse_mounted(directory: Path, removed: Iterable[str], everyone: Iterable[Replica]) -> None:
    """Raises Refused for a removed path that holds a mounted file system or the source of a container's mount."""
    rows = list(everyone)
    for path in removed:
        place = directory / path
        if below := mounted_below(place):
            unmount = f"umount {shlex.quote(str(below))}"
            raise Refused(f"a file system is mounted at {below}, which {path} holds", f"unmount it first: {unmount}")
        users = [r.name for r in rows if any(Path(m.source).is_relative_to(place) for m in r.mounts if m.source)]
        if users:
            raise Refused(
                f"{path} is itself mounted into {', '.join(users)}, which could not start without it",
                "take that mount out of the Compose file and recreate the service first",
            )


def refuse_copies(profile: Profile, directory: Path, replicas: Iterable[Replica]) -> None:
    """Raises Refused if a mounted file is not the project's own but a copy elsewhere."""
    here = directory.resolve()
    for replica in replicas:
        made_in = Path(replica.made_in or directory).resolve()  # the Compose files may have a folder of their own
        if made_in.exists() and not (made_in.is_relative_to(here) or here.is_relative_to(made_in)):
            raise Refused(
                f"{replica.name} was made in {made_in}, not in {directory}: a copy would be rolled back",
                "correct deployment.project_directory",
            )
        for path in (*(item.path for item in profile.files), *profile.removed()):
            covered = covering_mount(replica.mounts, profile.inside(replica.service, path))
            mine = directory / path
            if covered is None or not mine.exists():
                continue
            theirs = Path(covered.host_path)
            if theirs.exists() and not theirs.samefile(mine):
                raise Refused(
                    f"{replica.name} mounts {theirs}, which is not {mine}: a copy would be rolled back",
                    "correct deployment.project_directory",
                )


def hanging_on(replaced: Iterable[Replica], everyone: Iterable[Replica]) -> list[str]:
    """Containers that share the network of a replaced one: they lose it."""
    ids = {replica.id: replica.name for replica in replaced}
    return [
        f"{replica.name} uses the network of {ids[replica.network_of]}"
        for replica in everyone
        if replica.network_of in ids
    ]


def lost(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Of other services, what is gone or was replaced."""
    return [
        f"{name} is gone" if name not in now else f"{name} was replaced"
        for name, container_id in before.items()
        if now.get(name) != container_id
    ]
