"""Whether containers have the files of the project directory: a remote engine, or another checkout, has its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change.content import Source
from rollback_gate.change.strategy import Strategy, covering_mount
from rollback_gate.errors import Refused
from rollback_gate.platform.archive import digest_in, entry_in
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.look import digest_of


@dataclass(frozen=True)
class SameFiles:
    """Of one deployment."""

    profile: Profile
    engines: Engines

    def seen_by(
        self, everyone: Iterable[Replica], directory: Path, strategy: Strategy, restored: tuple[Source, ...]
    ) -> tuple[bool, str]:
        """Raises Refused if one has others.

        An image holds a copy, so under `build` a local file that already is the old code is accepted too.
        """
        for replica in everyone:
            for source in restored:
                path = self.profile.inside(replica.service, source.path)
                seen, mine = digest_in(self.engines.of(replica), replica.id, path), digest_of(directory / source.path)
                if seen == mine and strategy is Strategy.BIND and not self.engines.of(replica).is_local:
                    self._refuse_equal_copy(replica, path, directory / source.path)
                if seen == mine or (strategy is Strategy.BUILD and mine == source.digest):
                    continue
                must = self.profile.must_have(replica.service, source.path)
                if not must and not _is_of_the_tree(replica, path, strategy):
                    continue  # its part of the change, if any, is checked separately
                covered = covering_mount(replica.mounts, path)
                where = f"mounted from {covered.host_path}" if covered else f"{path} of its image"
                raise Refused(
                    f"{replica.name} sees another {source.path} ({where}) than {directory / source.path}",
                    "correct deployment.project_directory, or run this on the engine's machine",
                )
        return True, "the containers have the files of the project directory"

    def _refuse_equal_copy(self, replica: Replica, path: str, mine: Path) -> None:
        """A remote engine allows no `samefile`, but two checkouts of the same files differ in their times."""
        entry = entry_in(self.engines.of(replica), replica.id, path)
        if entry and mine.exists() and int(entry.modified_at.epoch_s) != int(mine.stat().st_mtime):
            raise Refused(
                f"{mine} has the content of {path} in {replica.name}, but another time: it is a copy of it",
                "run this on the engine's machine, or correct deployment.project_directory",
            )


def _is_of_the_tree(replica: Replica, path: str, strategy: Strategy) -> bool:
    """True if this replica's file at the path is the project directory's own."""
    return strategy is Strategy.BIND and covering_mount(replica.mounts, path) is not None
