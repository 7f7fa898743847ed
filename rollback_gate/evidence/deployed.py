"""When the change was deployed, by the backups that the deployment made."""

from __future__ import annotations

from rollback_gate.change.backups import candidates
from rollback_gate.instant import Instant
from rollback_gate.profile.schema import Profile


def by_backups(profile: Profile) -> list[tuple[Instant, str]]:
    """The time in each backup's name, with that name. Names hold this machine's local time."""
    directory = profile.deployment.project_directory
    try:
        found = [c for restored in profile.files for c in candidates(directory, restored)]
    except OSError:
        return []  # the files cannot be seen from here
    return [(Instant.from_datetime(c.stamp.astimezone()), c.path.name) for c in found if c.stamp]
