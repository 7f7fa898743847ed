"""A service of a stack, and what its update status can and cannot say. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.platform.swarm.tasks import template_of


class Update(enum.StrEnum):
    """The last update, as far as it is known: scaling, or a deployment that changes nothing, clears it."""

    NONE = "none is known"
    GOES_ON = "is under way"
    DONE = "is done"
    PAUSED = "is paused"
    GOES_BACK = "is being rolled back"
    WENT_BACK = "was rolled back"
    GAVE_UP = "was being rolled back, and that is paused"
    UNKNOWN = "is in a state that is not known"


_UPDATES = {
    "": Update.NONE,
    "updating": Update.GOES_ON,
    "completed": Update.DONE,
    "paused": Update.PAUSED,
    "rollback_started": Update.GOES_BACK,
    "rollback_completed": Update.WENT_BACK,
    "rollback_paused": Update.GAVE_UP,
}
_DEFAULTS = ("index.", "docker.io/library/", "docker.io/")
_AT_REST = frozenset((Update.NONE, Update.DONE, Update.WENT_BACK))


@dataclass(frozen=True)
class Service:
    """`version`: of the object, needed to change it; it moves with the status too. `replicas`: None if it is global.

    `spec`: whole, as the manager has it. `since`: when the last update began, None for none. `message`: Swarm's own.
    """

    id: str
    name: str
    version: int
    spec: Mapping[str, Any]
    update: Update
    since: Instant | None
    message: str

    @property
    def template(self) -> str:
        return template_of(self.spec["TaskTemplate"])

    @property
    def replicas(self) -> int | None:
        mode = self.spec["Mode"].get("Replicated")
        return None if mode is None else int(mode.get("Replicas", 1))

    @property
    def constraints(self) -> tuple[str, ...]:
        """Where its tasks may run, in Swarm's words."""
        return tuple((self.spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ())

    @property
    def configs(self) -> dict[str, str]:
        """Names of configs and secrets, by their path inside."""
        return configs_of(self.spec["TaskTemplate"]["ContainerSpec"])

    @property
    def image(self) -> str:
        return str(self.spec["TaskTemplate"]["ContainerSpec"].get("Image") or "")

    @property
    def environment(self) -> list[str]:
        """Rows `NAME=value`, without what the image sets."""
        return list(self.spec["TaskTemplate"]["ContainerSpec"].get("Env") or ())

    def mounts_over(self, path: str) -> bool:
        """True if a path inside is behind one of its mounts."""
        rows = self.spec["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        return any(f"{path}/".startswith(f"{str(row['Target']).rstrip('/')}/") for row in rows)

    def as_container(self, with_digest: bool) -> dict[str, Any]:
        """What it is made from, in the form in which an engine shows a container. `with_digest`: of its image."""
        spec = self.spec["TaskTemplate"]["ContainerSpec"]
        config = {
            "Image": self.image if with_digest else familiar(self.image.partition("@")[0]),
            "Entrypoint": spec.get("Command"),
            "Cmd": spec.get("Args"),
            "Env": self.environment,
            "WorkingDir": spec.get("Dir"),
            "User": spec.get("User"),
        }
        return {"Config": config, "Mounts": [_mount(row) for row in spec.get("Mounts") or ()]}

    @property
    def unrest(self) -> str:
        """What is still going on, in words; "" for nothing."""
        if self.is_at_rest:
            return ""
        return f"its update {self.update}{f': {self.message}' if self.message else ''}"

    @property
    def is_at_rest(self) -> bool:
        """No update is under way or paused. Tasks of the former spec may still be stopping: the tasks tell."""
        return self.update in _AT_REST


def familiar(image: str) -> str:
    """An image's name as the docker command writes it: without the default registry, and with a tag or a digest."""
    for default in _DEFAULTS:
        image = image.removeprefix(default)
    return image if not image or "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


_OBJECTS = (("Config", "/"), ("Secret", "/run/secrets/"))  # and where those with a relative path are


def objects_of(container: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The configs and secrets of a service's containers: kind (Config or Secret), path inside, and entry."""
    for kind, folder in _OBJECTS:
        for row in container.get(f"{kind}s") or ():
            path = str((row.get("File") or {}).get("Name") or "")
            yield kind, path if path.startswith("/") else folder + path, row


def configs_of(container: Mapping[str, Any]) -> dict[str, str]:
    """Their names, by path inside."""
    return {path: str(row.get(f"{kind}Name") or "") for kind, path, row in objects_of(container)}


def configs_written(entry: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The same, of an entry in the stack's files. `names`: by section (configs, secrets) and key."""
    found = {}
    for kind, folder in _OBJECTS:
        section = f"{kind.lower()}s"
        for row in entry.get(section) or ():
            given = row if isinstance(row, Mapping) else {"source": row}
            source = str(given.get("source"))
            target = str(given.get("target") or source)
            path = target if target.startswith("/") else folder + target
            found[path] = names[section].get(source, source)
    return found


def _mount(row: Mapping[str, Any]) -> dict[str, str]:
    kind, source = str(row.get("Type") or "bind"), str(row.get("Source") or "")
    return {"Type": kind, "Source": source, "Name": source, "Destination": str(row.get("Target"))}


def parse(row: Mapping[str, Any]) -> Service:
    """One service as the manager shows it. Raises KeyError, ValueError, TypeError for any other form."""
    status = row.get("UpdateStatus") or {}
    state, began = str(status.get("State") or ""), status.get("StartedAt")
    return Service(
        id=str(row["ID"]),
        name=str(row["Spec"]["Name"]),
        version=int(row["Version"]["Index"]),
        spec=row["Spec"],
        update=_UPDATES.get(state, Update.UNKNOWN),
        since=Instant.parse(began) if began else None,
        message=str(status.get("Message") or ""),
    )
