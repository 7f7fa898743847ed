"""What a new container of a service would be made of now, against what one was made of. Pure.

Compared part by part, where Compose's own hash tells nothing. Values of an environment are compared, never kept.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

SAME_PARTS = "the same image, command, environment and mounts"
ANEW = ("always", "build", "daily", "weekly", "every_")  # of pull_policy: the next `up` may start another image


def refers_to_containers(entry: Mapping[str, Any]) -> bool:
    """Its configuration names another service's container: `up` hashes the container's id, `config` the name."""
    modes = (str(entry.get(key, "")) for key in ("network_mode", "ipc", "pid"))
    return bool(entry.get("volumes_from")) or any(mode.startswith("service:") for mode in modes)


def made_anew_by(entry: Mapping[str, Any]) -> str:
    """The policy by which `up` fetches or builds an image whatever is there, "" for none."""
    policy = str(entry.get("pull_policy") or "")
    return policy if policy.startswith(ANEW) else ""


def differences(entry: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
    """Names of the parts in which `entry` (of `config`) and `container` (as the engine inspects it) differ."""
    config = container.get("Config") or {}
    found = [] if entry.get("image") in (None, "", config.get("Image")) else ["image"]
    for key, name in (("command", "Cmd"), ("entrypoint", "Entrypoint")):
        wanted = _words(entry.get(key))
        found += [] if wanted in (None, config.get(name) or []) else [key]
    found += _environment(entry.get("environment"), config.get("Env") or ())
    has_others = bool(entry.get("secrets") or entry.get("configs"))  # which are mounted too
    return found + _mounts(entry.get("volumes") or (), container.get("Mounts") or (), has_others)


def _words(value: Any) -> list[str] | None:
    """None where the image decides."""
    if value is None:
        return None
    words = shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
    return [_unescaped(word) for word in words]


def _unescaped(text: str) -> str:
    return text.replace("$$", "$")  # as `config` prints a dollar sign


def _environment(wanted: Any, given: Iterable[str]) -> list[str]:
    pairs = wanted.items() if isinstance(wanted, Mapping) else (str(row).partition("=")[::2] for row in wanted or ())
    has = dict(row.partition("=")[::2] for row in given)
    return [f"environment {key}" for key, value in pairs if value is not None and has.get(key) != _as_text(value)]


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _unescaped(str(value))


def _mounts(wanted: Iterable[Any], given: Iterable[Mapping[str, Any]], has_others: bool) -> list[str]:
    """By target; of what is mounted from the machine, the source too."""
    ours = dict(_mount(row) for row in wanted if not isinstance(row, Mapping) or row.get("type") in ("bind", "volume"))
    has = {str(m.get("Destination")): str(m.get("Source")) if m.get("Type") == "bind" else "" for m in given}
    lost = [target for target, source in has.items() if source and target not in ours and not has_others]
    changed = [target for target, source in ours.items() if target not in has or source != has[target]]
    return [f"mount {target}" for target in (*changed, *lost)]


def _mount(row: Any) -> tuple[str, str]:
    """Its target, and its source on the machine ("" for a volume)."""
    if isinstance(row, Mapping):
        return str(row.get("target")), str(row.get("source")) if row.get("type") == "bind" else ""
    source, colon, rest = str(row).partition(":")
    if not colon:
        return source, ""
    return rest.partition(":")[0], source if source.startswith("/") else ""
