"""Images that the engine still has: which of them could hold old code, and their files.

Files of an image are read from a container that is created, never started, and removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import NotFound

from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import PROJECT_LABEL, SERVICE_LABEL, Mount

TEMPORARY_LABEL = "rollback-gate.temporary"
MOST = 30


@dataclass(frozen=True)
class Image:
    """`tags` is empty if its name moved to a newer image."""

    id: str
    tags: tuple[str, ...]
    created: float

    @property
    def label(self) -> str:
        return self.tags[0] if self.tags else self.id[:19]


def related(engine: Engine, repositories: Iterable[str], project: str, services: Iterable[str]) -> tuple[Image, ...]:
    """Images of these repositories, and those that Compose built for these services; newest first, 30 at most.

    Raises Unreachable.
    """
    wanted, names = set(repositories), set(services)
    with answering("the images"):
        rows = [row for row in engine.client.api.images() if _belongs(row, wanted, project, names)]
    found = [Image(row["Id"], _tags(row), float(row["Created"])) for row in rows]
    return tuple(sorted(found, key=lambda image: image.created, reverse=True)[:MOST])


def named(engine: Engine, name: str) -> Image | None:
    """An image by name or id; None if it does not exist. Raises Unreachable."""
    with answering(f"image {name}"):
        try:
            row = engine.client.api.inspect_image(name)  # type: ignore[no-untyped-call]
        except NotFound:
            return None
    return Image(row["Id"], _tags(row), 0.0)


def tag(engine: Engine, image_id: str, name: str) -> None:
    """Point `name` to this image. Raises Unreachable."""
    repository, _, version = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    with answering(f"tag {name}"):
        engine.client.api.tag(image_id, repository, version)


@contextmanager
def opened(engine: Engine, image_id: str, project: str, mounts: Iterable[Mount] = ()) -> Iterator[str]:
    """Id of a container of this image, never started, for its files; mounts are read-only. Raises Unreachable."""
    with answering(f"a look into image {image_id[:19]}"):
        api = engine.client.api
        asked = [_read_only(mount) for mount in mounts]
        made = api.create_container(
            image_id,
            command=["true"],
            labels={TEMPORARY_LABEL: project},
            network_disabled=True,
            host_config=api.create_host_config(mounts=asked) if asked else None,
        )
    try:
        yield made["Id"]
    finally:
        with answering("removal of a temporary container"):
            engine.client.api.remove_container(made["Id"], v=True, force=True)


def any_of(engine: Engine) -> str:
    """Id of some image that the engine has; "" for none. Raises Unreachable."""
    with answering("the images"):
        return next((str(row["Id"]) for row in engine.client.api.images()), "")


def _read_only(mount: Mount) -> docker.types.Mount:
    """`no_copy`: the engine would otherwise copy the image's files into an empty volume, even if read-only."""
    if mount.name:
        return docker.types.Mount(mount.target, mount.name, type="volume", read_only=True, no_copy=True)
    return docker.types.Mount(mount.target, mount.source, type="bind", read_only=True)


def sweep_everywhere(engines: Engines, project: str) -> int:
    """As `sweep`, on each engine that can be reached."""
    return sum(sweep(engine, project) for engine in engines.everywhere())


def sweep(engine: Engine, project: str) -> int:
    """Remove containers that a killed process left behind; returns how many. Raises Unreachable."""
    with answering("temporary containers"):
        rows = engine.client.api.containers(all=True, filters={"label": [f"{TEMPORARY_LABEL}={project}"]})
        for row in rows:
            engine.client.api.remove_container(row["Id"], v=True, force=True)
    return len(rows)


def repository_of(name: str) -> str:
    """The name without tag or digest: `host:5000/team/worker:v1` is `host:5000/team/worker`."""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def with_tag(name: str) -> str:
    """The name as the engine writes it: `:latest` if it has no tag or digest."""
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def kept_repository(keeps: str, name: str) -> str:
    """The repository that keeps images of this name: one per name, so that they cannot be confused."""
    return f"{keeps}/{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"


def _belongs(row: dict[str, Any], repositories: set[str], project: str, services: set[str]) -> bool:
    if any(repository_of(name) in repositories for name in _tags(row)):
        return True
    labels = row.get("Labels") or {}
    return labels.get(PROJECT_LABEL) == project and labels.get(SERVICE_LABEL) in services


def _tags(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in row.get("RepoTags") or () if name != "<none>:<none>")
