"""The files in which a change's values are written: what they hold, and the same files with the old values."""

from __future__ import annotations

from collections.abc import Iterator
from os.path import normpath
from pathlib import Path

import yaml

from rollback_gate.change.content import SETTING, Source
from rollback_gate.change.reading import Held, ValueReading
from rollback_gate.change.written import value_in, with_value
from rollback_gate.errors import Refused
from rollback_gate.model import Unmeasured
from rollback_gate.profile.deployment import ValueItem
from rollback_gate.profile.schema import Profile
from rollback_gate.regular import content_of


def old_files(profile: Profile, directory: Path) -> tuple[Source, ...]:
    """For each file with a value of the change, the same file with the old values. Raises Refused."""
    return tuple(old_file(profile, directory, path) for path in profile.value_files)


def old_file(profile: Profile, directory: Path, path: str) -> Source:
    """One of them, from the file as it is now: whatever else was written there stays. Raises Refused."""
    try:
        data = content_of(directory / path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", "correct the item's `file`") from error
    names = []
    for item in profile.values:
        if item.file == path:
            data = _old(data, path, item, is_literal(profile, directory, path))
            names.append(item.key)
    return Source.of(path, SETTING, ", ".join(names), data)


def is_literal(profile: Profile, directory: Path, path: str) -> bool:
    """True of a stack's `env_file`: `docker stack deploy` takes quotes and comments into the value.

    Any other, such as a `.env`, fills the stack's variables by a shell or a Compose, which take them off.
    """
    if profile.deployment.platform != "swarm":
        return False
    files = [directory / name for name in profile.deployment.files]
    named = (normpath(files[0].parent / one) for file in files for one in _env_files(file))  # as the first file lies
    return normpath(directory / path) in named


def _env_files(stack_file: Path) -> Iterator[str]:
    """None of a file that cannot be read: whoever needs it says so."""
    try:
        tree = yaml.safe_load(content_of(stack_file))
        services = list(tree["services"].values())
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError):
        return
    for service in services:
        given = service.get("env_file") if isinstance(service, dict) else None
        for one in given if isinstance(given, list) else [given]:
            yield str(one.get("path") if isinstance(one, dict) else one or "")


def _old(data: bytes, path: str, item: ValueItem, literal: bool) -> bytes:
    present = value_in(data, path, item.key, literal)
    for new, old in item.writings:
        if present == old:
            return data
        if present == new:
            return with_value(data, path, item.key, old, literal)
    where = f"{item.key} in {path}"
    says = f"{where} is not set" if present is None else f"{where} holds neither the change's value nor the old one"
    raise Refused(says, "correct the item; or write the old value there by hand, then try again")


def written(profile: Profile, directory: Path) -> dict[str, ValueReading | Unmeasured]:
    """What the files hold now, by the item's place. Never raises."""
    items = [(item, item.file) for item in profile.values if item.file]
    return {item.place: _written(item, directory, is_literal(profile, directory, file)) for item, file in items}


def _written(item: ValueItem, directory: Path, literal: bool) -> ValueReading | Unmeasured:
    try:
        present = value_in(content_of(directory / str(item.file)), str(item.file), item.key, literal)
    except (OSError, Refused) as error:
        return Unmeasured(item.place, error.message if isinstance(error, Refused) else str(error))
    if any(present == old for _, old in item.writings):
        return ValueReading(item.place, Held.OLD)
    is_new = any(present == new for new, _ in item.writings)
    return ValueReading(item.place, Held.NEW if is_new else Held.OTHER, "" if present is not None else "it is not set")
