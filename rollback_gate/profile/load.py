"""Loads a profile with the origin of every setting, and the secrets that it names."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr, ValidationError

from rollback_gate.errors import WrongSetting
from rollback_gate.profile import layers
from rollback_gate.profile.layers import Layer
from rollback_gate.profile.schema import FORMAT, Profile
from rollback_gate.regular import text_of

SECRET_KEYS = ("database.password", "database.uri", "queue.password", "queue.uri", "queue.url")


@dataclass(frozen=True)
class Settings:
    """A checked profile, the origin of each explicit value (all others are defaults), and the files read."""

    profile: Profile
    origins: dict[str, str]
    files: tuple[Path, ...]


def load(path: Path, environ: Mapping[str, str], settings: Iterable[str] = ()) -> Settings:
    """The profile at `path`, overridden by environment and command line.

    Raises WrongSetting with the dotted path of each wrong key.
    """
    files = _with_extended(path)
    tables = [layers.from_table(table, f"profile {file}") for file, table in files]
    merged = layers.merge([*tables, layers.from_environment(environ), layers.from_command_line(settings)])
    _refuse_secrets(merged.origins)
    _refuse_earlier(path, merged.values.get("format"))
    try:
        profile = Profile.model_validate(merged.values)
    except ValidationError as error:
        raise WrongSetting(f"{path}: {_say(error, merged)}", "docs/profile.md has every key") from error
    return Settings(profile, merged.origins, tuple(file for file, _ in files))


class HasPassword(Protocol):
    """A section whose password comes from a variable or a file."""

    @property
    def password_env(self) -> str: ...
    @property
    def password_file(self) -> Path | None: ...


def database_password(database: HasPassword, environ: Mapping[str, str]) -> SecretStr:
    """The password from the profile's environment variable or file. Raises WrongSetting if neither has it."""
    found = _password("database", database, environ)
    if found is None:
        raise WrongSetting("no password for the database", _where_from("database", database))
    return found


def queue_password(queue: HasPassword, environ: Mapping[str, str]) -> SecretStr | None:
    """None for a queue that needs none, or has none set. Raises WrongSetting for a file that cannot be read."""
    return _password("queue", queue, environ)


_SECRET_LENGTH = 8  # a shorter value would blacken words


def secrets(profile: Profile, environ: Mapping[str, str]) -> list[str]:
    """Every password that the profile leads to, and what commands around the workers get from the environment."""
    sections = (profile.database, profile.queue, profile.upstream)
    names = (name for section in sections for name in getattr(section, "variables", ()))
    found = [environ[name] for name in names if len(environ.get(name, "")) >= _SECRET_LENGTH]
    for name in ("database", "queue"):
        with contextlib.suppress(WrongSetting):
            section: Any = getattr(profile, name)
            password = _password(name, section, environ) if hasattr(section, "password_env") else None
            found += [password.get_secret_value()] if password else []
    return found


def _password(name: str, section: HasPassword, environ: Mapping[str, str]) -> SecretStr | None:
    if section.password_env in environ:
        return SecretStr(environ[section.password_env])
    if section.password_file is None:
        return None
    try:
        return SecretStr(text_of(section.password_file).rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongSetting(f"{section.password_file} cannot be read ({why})", _where_from(name, section)) from error


def _where_from(name: str, section: HasPassword) -> str:
    return f"set {section.password_env}, or name a file in {name}.password_file"


def _with_extended(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file, preceded by those that it extends."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    current: Path | None = path.absolute()
    while current is not None:
        if any(current == seen for seen, _ in chain):
            raise WrongSetting(f"{path}: extends itself through {current}", "remove one `extends`")
        table = _read(current)
        extends = table.pop("extends", None)
        if extends is not None and not isinstance(extends, str):
            raise WrongSetting(f"{current}: extends: must be the path of a profile")
        chain.append((current, table))
        current = (current.parent / extends).absolute() if extends else None
    return chain[::-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise WrongSetting(
            f"profile {path}: {error.strerror}", "name one with --profile, or in ROLLBACK_GATE_PROFILE"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSetting(f"profile {path} is not TOML: {error}") from error


def _refuse_secrets(origins: Mapping[str, str]) -> None:
    for key in SECRET_KEYS:
        if key in origins:
            raise WrongSetting(
                f"{key} (from {origins[key]}): secrets are never settings",
                "put the password into the variable that password_env names, or into the file of password_file",
            )


def _refuse_earlier(path: Path, found: object) -> None:
    if isinstance(found, int) and found < FORMAT:
        raise WrongSetting(
            f"{path} is of format {found}; this version reads format {FORMAT}",
            "CHANGELOG.md says what to rename; or use the version that it was written for",
        )


def _key(place: Iterable[str | int], value: Any) -> Iterator[str]:
    """The parts of a key as it stands in the profile: of a section with kinds, pydantic names the kind too."""
    for part in place:
        if isinstance(value, Mapping) and part not in value and part == value.get("kind"):
            continue
        yield str(part)
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]


def _say(error: ValidationError, merged: Layer) -> str:
    lines, problems = [], error.errors(include_url=False, include_input=False)
    for problem in problems:
        depth = len(problem["loc"])
        if any(problem["loc"] == other["loc"][:depth] and len(other["loc"]) > depth for other in problems):
            continue  # a list that is too short without the entry that is wrong
        key = ".".join(_key(problem["loc"], merged.values))
        origin = next((text for known, text in merged.origins.items() if known == key), "")
        lines.append(f"{key or 'profile'}: {problem['msg']}" + (f" (from {origin})" if origin else ""))
    return "; ".join(lines)
