"""The files in which a change's values are written: what they hold, and the same files with the old values."""

from __future__ import annotations

from pathlib import Path

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
            data = _old(data, path, item, is_literal(profile))
            names.append(item.key)
    return Source.of(path, SETTING, ", ".join(names), data)


def is_literal(profile: Profile) -> bool:
    """True if quotes, signs and comments in an env file are part of the value, as `docker stack deploy` reads it."""
    return profile.deployment.platform == "swarm"


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
    literal = is_literal(profile)
    return {item.place: _written(item, directory, literal) for item in profile.values if item.file}


def _written(item: ValueItem, directory: Path, literal: bool) -> ValueReading | Unmeasured:
    try:
        present = value_in(content_of(directory / str(item.file)), str(item.file), item.key, literal)
    except (OSError, Refused) as error:
        return Unmeasured(item.place, error.message if isinstance(error, Refused) else str(error))
    if any(present == old for _, old in item.writings):
        return ValueReading(item.place, Held.OLD)
    is_new = any(present == new for new, _ in item.writings)
    return ValueReading(item.place, Held.NEW if is_new else Held.OTHER, "" if present is not None else "it is not set")
