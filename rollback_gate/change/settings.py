"""The files in which a change's values are written, with the old values in them."""

from __future__ import annotations

from pathlib import Path

from rollback_gate.change.content import SETTING, Source
from rollback_gate.change.written import value_in, with_value
from rollback_gate.errors import Refused
from rollback_gate.profile.deployment import ValueItem
from rollback_gate.profile.schema import Profile
from rollback_gate.regular import content_of


def old_files(profile: Profile, directory: Path) -> tuple[Source, ...]:
    """For each file with a value of the change, the same file with the old values. Raises Refused."""
    return tuple(_with_old_values(profile, directory, path) for path in profile.value_files)


def _with_old_values(profile: Profile, directory: Path, path: str) -> Source:
    try:
        data = content_of(directory / path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", "correct the item's `file`") from error
    names = []
    for item in profile.values:
        if item.file == path:
            data = _old(data, path, item)
            names.append(item.key)
    return Source.of(path, SETTING, ", ".join(names), data)


def _old(data: bytes, path: str, item: ValueItem) -> bytes:
    present = value_in(data, path, item.key)
    for new, old in item.writings:
        if present == old:
            return data
        if present == new:
            return with_value(data, path, item.key, old)
    where = f"{item.key} in {path}"
    says = f"{where} is not set" if present is None else f"{where} holds neither the change's value nor the old one"
    raise Refused(says, "correct the item; or write the old value there by hand, then try again")
