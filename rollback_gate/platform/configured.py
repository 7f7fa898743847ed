"""Compares what a new container of a service would be made of now with an existing container. Pure.

Part by part, for when Compose's own hash is inconclusive. Values of an environment are compared, never kept.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.platform.replica import is_anonymous

SAME_PARTS = "the same image, command, user, working directory, environment and mounts"
ANEW = ("always", "build", "daily", "weekly", "every_")  # pull_policy values: the next `up` may start another image
_PROXIES = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"}  # set by the docker command itself


@dataclass(frozen=True)
class Wanted:
    """A service as `config` prints it; `volumes`: the engine's volume names, by their key in the file."""

    entry: Mapping[str, Any]
    volumes: Mapping[str, str]

    @property
    def refers_to_containers(self) -> bool:
        """True if it names another service's container: `up` hashes the container's id, `config` the name."""
        modes = (str(self.entry.get(key, "")) for key in ("network_mode", "ipc", "pid"))
        return bool(self.entry.get("volumes_from")) or any(mode.startswith("service:") for mode in modes)

    @property
    def made_anew_by(self) -> str:
        """The pull policy by which `up` pulls or builds even if an image exists, "" for none."""
        policy = str(self.entry.get("pull_policy") or "")
        return policy if policy.startswith(ANEW) else ""

    def is_made_as(self, other: Wanted | None) -> bool:
        """True if entry and volumes are the same; the rest of the files does not matter."""
        if other is None or self.entry != other.entry:
            return False
        return all(other.volumes.get(key, name) == name for key, name in self.volumes.items())

    def differences(self, container: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
        """Names of the parts in which it and `container` differ. Both arguments are the engine's `inspect` output:
        `image` is the configuration of the container's image, which applies where the file sets nothing.
        """
        config = container.get("Config") or {}
        found = [] if self.entry.get("image") in (None, "", config.get("Image")) else ["image"]
        found += [name for name, wanted, key in self._process(image) if (config.get(key) or []) != wanted]
        for name, key in (("working_dir", "WorkingDir"), ("user", "User")):
            wanted = str(self.entry.get(name) or image.get(key) or "")
            found += [] if wanted.rstrip("/") == str(config.get(key) or "").rstrip("/") else [name]
        found += _environment(self.entry.get("environment"), image.get("Env") or (), config.get("Env") or ())
        return found + self._mounts(container.get("Mounts") or ())

    def _process(self, image: Mapping[str, Any]) -> Iterable[tuple[str, list[str], str]]:
        """An entrypoint in the file discards the image's command."""
        entrypoint, command = _words(self.entry.get("entrypoint")), _words(self.entry.get("command"))
        if entrypoint is None:
            yield "entrypoint", image.get("Entrypoint") or [], "Entrypoint"
            yield "command", (image.get("Cmd") or []) if command is None else command, "Cmd"
        else:
            yield "entrypoint", entrypoint, "Entrypoint"
            yield "command", command or [], "Cmd"

    def _mounts(self, given: Iterable[Mapping[str, Any]]) -> list[str]:
        """Compares mounts by target: a path of the machine, a named volume or an anonymous one."""
        rows = self.entry.get("volumes") or ()
        is_mount = (row for row in rows if not isinstance(row, Mapping) or row.get("type") in ("bind", "volume"))
        ours = dict(self._mount(row) for row in is_mount)
        has = {str(mount.get("Destination")): _source(mount) for mount in given}
        has_others = bool(self.entry.get("secrets") or self.entry.get("configs"))  # which are mounted too
        may_stay = {""} | ({source for source in has.values() if source.startswith("/")} if has_others else set())
        lost = [target for target, source in has.items() if target not in ours and source not in may_stay]
        changed = [target for target, source in ours.items() if has.get(target) != source]
        return [f"mount {target}" for target in (*changed, *lost)]

    def _mount(self, row: Any) -> tuple[str, str]:
        if isinstance(row, Mapping):
            source, target = str(row.get("source") or ""), str(row.get("target"))
        else:
            source, colon, rest = str(row).partition(":")
            source, target = (source, rest.partition(":")[0]) if colon else ("", source)
        return target, source if source.startswith("/") else self.volumes.get(source, source)


def _source(mount: Mapping[str, Any]) -> str:
    if mount.get("Type") == "bind":
        return str(mount.get("Source"))
    name = str(mount.get("Name") or "")
    return "" if is_anonymous(name) else name


def _words(value: Any) -> list[str] | None:
    """None if the image decides."""
    if value in (None, "", []):
        return None
    words = shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
    return [_unescaped(word) for word in words]


def _unescaped(text: str) -> str:
    return text.replace("$$", "$")  # how `config` escapes a dollar sign


def environment_of(wanted: Any, of_image: Iterable[str]) -> dict[str, str]:
    """The environment of a new container. `wanted`: as `config` prints it; `of_image`: rows `NAME=value`.

    Without what is left to the shell of whoever calls Compose.
    """
    own = _own(wanted)
    left_open = {key for key, value in own.items() if value is None}
    found = _pairs(of_image) | {key: _as_text(value) for key, value in own.items() if value is not None}
    return {key: value for key, value in found.items() if key not in left_open}


def _own(wanted: Any) -> dict[str, Any]:
    return dict(wanted if isinstance(wanted, Mapping) else (_pair(str(row)) for row in wanted or ()))


def _environment(wanted: Any, of_image: Iterable[str], given: Iterable[str]) -> list[str]:
    own = _own(wanted)
    expected = _pairs(of_image) | {key: _as_text(value) for key, value in own.items() if value is not None}
    has = _pairs(given)
    left_open = {key for key, value in own.items() if value is None}  # taken from the deployer's shell
    left_open |= {key for key in has if key.lower() in _PROXIES and key not in own}
    keys = (key for key in (*expected, *has) if key not in left_open)
    return [f"environment {key}" for key in dict.fromkeys(keys) if expected.get(key) != has.get(key)]


def _pair(row: str) -> tuple[str, str | None]:
    key, equals, value = row.partition("=")
    return key, value if equals else None


def _pairs(rows: Iterable[str]) -> dict[str, str]:
    return {key: value for key, _, value in (row.partition("=") for row in rows)}


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _unescaped(str(value))
