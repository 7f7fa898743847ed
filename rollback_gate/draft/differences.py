"""What tells an old file from a new one: texts of code, and values of settings. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

_MOST_MARKS = 3
_SHORTEST, _LONGEST = 6, 80
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)\s*$")
_REFERENCE = r"\$\{?%s(?![A-Za-z0-9_])"


class Marks(NamedTuple):
    new: tuple[str, ...]
    old: tuple[str, ...]


def marks(old: str, new: str) -> Marks:
    """Lines that only one side has, without their indentation; the most telling first: imports and definitions."""
    return Marks(_only(new, old), _only(old, new))


def _only(one: str, other: str) -> tuple[str, ...]:
    lines = dict.fromkeys(line.strip() for line in one.splitlines())
    own = [line for line in lines if len(line) >= _SHORTEST and line[:_LONGEST] not in other and not _is_prose(line)]
    telling = sorted(own, key=lambda line: not re.match(r"(import|from|def|class|function|const)\b", line))
    return tuple(line[:_LONGEST] for line in telling[:_MOST_MARKS])


def _is_prose(line: str) -> bool:
    return line.startswith(("#", '"""', "//", "*"))


class Changed(NamedTuple):
    """One value that differs. `old`: None if the change has added it."""

    key: str
    old: str | None
    new: str


def in_env(old: str, new: str) -> list[Changed]:
    """Values of an env file that the change has set. What it removed cannot be named in a profile."""
    before, after = _assigned(old), _assigned(new)
    return [Changed(key, before.get(key), value) for key, value in after.items() if before.get(key) != value]


def _assigned(text: str) -> dict[str, str]:
    found = (_ASSIGNMENT.match(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: match[2].strip("'\"") for match in found if match}


def in_compose(old: str, new: str) -> list[Changed]:
    """Images and environments of a Compose file that differ."""
    before, after = dict(_values(_services(old))), dict(_values(_services(new)))
    return [Changed(key, before.get(key), value) for key, value in after.items() if before.get(key) != value]


def _values(services: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for service, entry in services.items():
        if isinstance(entry.get("image"), str):
            yield f"services.{service}.image", entry["image"]
        for name, value in environment_of(entry).items():
            yield f"services.{service}.environment.{name}", value


def environment_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a service as it is written."""
    rows = entry.get("environment") or {}
    if isinstance(rows, Mapping):
        return {str(key): str(value) for key, value in rows.items() if value is not None}
    return dict(str(row).split("=", 1) for row in rows if "=" in str(row))


def _services(text: str) -> dict[str, Any]:
    """Of one Compose file, or of several as documents of one text: later ones add to earlier ones."""
    merged: dict[str, Any] = {}
    try:
        for document in yaml.load_all(text, Loader):
            for name, entry in ((document or {}).get("services") or {}).items():
                if isinstance(entry, Mapping):
                    merged[str(name)] = _added(merged.get(str(name), {}), entry)
    except (yaml.YAMLError, AttributeError):
        return {}
    return merged


def keys_of(path: str, old: str, new: str) -> tuple[list[str], bool]:
    """Keys that were changed, added or taken out in an env file or a Compose file; and whether that is all of it.

    No keys for any other file.
    """
    of = in_env if is_env(path) else in_compose
    keys = dict.fromkeys(one.key for one in (*of(old, new), *of(new, old)))
    return list(keys), is_env(path) or _rest(old) == _rest(new)


def _rest(text: str) -> dict[str, Any]:
    """Services of a Compose file without what in_compose tells."""
    told = ("image", "environment")
    return {name: {k: v for k, v in one.items() if k not in told} for name, one in _services(text).items()}


class Loader(yaml.SafeLoader):
    """Takes Compose's own tags (`!reset`, `!override`) for nothing."""


Loader.add_multi_constructor("!", lambda *_: None)


def _added(entry: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    environment = {**environment_of(entry), **environment_of(more)}
    files = [*_listed(entry.get("env_file")), *_listed(more.get("env_file"))]
    return {**entry, **more, "environment": environment, "env_file": files}


def _listed(written: Any) -> list[Any]:
    return written if isinstance(written, list) else [written] if written else []


def is_env(path: str) -> bool:
    """True for the name of an env file."""
    return PurePosixPath(path).name.endswith(".env")


def given_to(compose: str, path: str) -> list[str]:
    """The services that get a whole env file: `env_file` names it, in any of its forms."""
    return [name for name, entry in _services(compose).items() if path in _env_files(entry.get("env_file"))]


def _env_files(written: Any) -> list[str]:
    names = (row.get("path") if isinstance(row, Mapping) else row for row in _listed(written))
    return [posixpath.normpath(str(name)) for name in names if name]


class Use(NamedTuple):
    """Where a Compose file uses a variable: in `service`, as the value of `variable`, "" for its image."""

    service: str
    variable: str
    written: str


def uses(compose: str, key: str) -> list[Use]:
    """The uses of a variable of `.env`."""
    reference = re.compile(_REFERENCE % re.escape(key))
    found = []
    for service, entry in _services(compose).items():
        image = str(entry.get("image") or "")
        found += [Use(service, "", image)] if reference.search(image) else []
        rows = environment_of(entry).items()
        found += [Use(service, name, value) for name, value in rows if reference.search(value)]
    return found


def filled(text: str, key: str, value: str) -> str:
    """The text with the variable's value in place of its reference."""
    return re.sub(rf"\$\{{{re.escape(key)}[^}}]*\}}|\${re.escape(key)}(?![A-Za-z0-9_])", lambda _: value, text)
