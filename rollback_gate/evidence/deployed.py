"""The time of the deployment, by the backups that it made."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rollback_gate.change.backups import candidates
from rollback_gate.instant import Instant
from rollback_gate.profile.schema import Profile

_QUARTER_S, _MOST_ZONES_S, _APART_S = 900, 14 * 3600, 5


class Made(NamedTuple):
    """When a backup was made, and its name. `doubt`: why the time in its name was not used, "" if it was."""

    at: Instant
    name: str
    doubt: str = ""


def by_backups(profile: Profile) -> list[Made]:
    """All backups with a time in their name, which is this machine's local time.

    A name from another time zone differs from the file's ctime by whole quarters of an hour; the ctime is then used.
    Empty if the files cannot be read.
    """
    directory = profile.deployment.project_directory
    try:
        found = [c for restored in profile.files for c in candidates(directory, restored)]
        return [_made(c.path, Instant.from_datetime(c.stamp.astimezone())) for c in found if c.stamp]
    except OSError:
        return []  # the files cannot be read from here


def _made(path: Path, stamped: Instant) -> Made:
    came = Instant(path.lstat().st_ctime_ns)
    off_s = stamped.seconds_since(came)
    quarters = round(off_s / _QUARTER_S)
    if not quarters or abs(off_s) > _MOST_ZONES_S or abs(off_s - quarters * _QUARTER_S) > _APART_S:
        return Made(stamped, path.name)
    hours = f"{abs(quarters) * _QUARTER_S / 3600:g} h {'before' if quarters > 0 else 'after'}"
    return Made(came, path.name, f"the file came {hours} the time in its name, which is another time zone's")
