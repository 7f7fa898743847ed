"""Settings in layers: profile, environment, command line. Pure; every value keeps its origin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.errors import WrongSetting

ENVIRONMENT_PREFIX = "ROLLBACK_GATE__"


@dataclass(frozen=True)
class Layer:
    """A nested table of settings, and the origin of each dotted key in words."""

    values: dict[str, Any]
    origins: dict[str, str]


def from_table(table: Mapping[str, Any], origin: str) -> Layer:
    return Layer(dict(table), dict.fromkeys(_leaves(table), origin))


def from_environment(environ: Mapping[str, str]) -> Layer:
    """`ROLLBACK_GATE__LIMITS__SOAK_S=5` sets `limits.soak_s`."""
    found = [name for name in sorted(environ) if name.startswith(ENVIRONMENT_PREFIX)]
    keys = [name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".") for name in found]
    pairs = [(key, environ[name], f"environment {name}") for key, name in zip(keys, found, strict=True)]
    return _from_pairs(pairs)


def from_command_line(settings: Iterable[str]) -> Layer:
    """`limits.soak_s=5`. Raises WrongSetting for anything that is not key=value."""
    pairs = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise WrongSetting(f"--set {setting}: not of the form key=value", "for example --set limits.soak_s=30")
        pairs.append((key.strip(), value, "command line"))
    return _from_pairs(pairs)


def merge(layers: Iterable[Layer]) -> Layer:
    """Later layers win, key by key; a list or a plain value replaces the earlier one.

    Lists of tables with a `name`, an `id` or a `path` are merged by it: an entry of the same name is replaced in place,
    others are added.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for key in layer.origins:
            stale = [known for known in origins if key.startswith(f"{known}.") or known.startswith(f"{key}.")]
            for known in stale:
                del origins[known]
        values = _merged(values, layer.values)
        origins |= layer.origins
    return Layer(values, origins)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = _merged(old, value)
        elif (names := _names(value)) and (known := _names(old)) and isinstance(old, list):
            by_name = dict(zip(known, old, strict=True)) | dict(zip(names, value, strict=True))
            result[key] = list(by_name.values())
        else:
            result[key] = value
    return result


def _names(value: Any) -> list[str]:
    """The names of a list's entries if all have one and none repeats; else an empty list."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return []
    for key in ("name", "id", "path"):
        names = [entry.get(key) for entry in value]
        if names and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return [str(name) for name in names]
    return []


def _from_pairs(pairs: Iterable[tuple[str, str, str]]) -> Layer:
    layers = []
    for key, text, origin in pairs:
        table: Any = _value(text)
        for part in reversed(key.split(".")):
            table = {part: table}
        layers.append(Layer(table, {key: origin}))
    return merge(layers)


def _value(text: str) -> Any:
    """A TOML value (5, true, ["a"]) if it parses as one, otherwise the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _leaves(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            keys += _leaves(value, f"{prefix}{key}.")
        else:
            keys.append(f"{prefix}{key}")
    return keys
