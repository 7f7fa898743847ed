"""Where a deployment's runs are kept, and what their journals say."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.deployment.replica import Mount
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.rollback.journal import Entry, Journal

FOLDER = ".rollback"


@dataclass(frozen=True)
class DeploymentId:
    """Engine id, Compose project and profile name (DESIGN: the words)."""

    engine_id: str
    project: str
    profile: str

    def __str__(self) -> str:
        return f"{self.engine_id}/{self.project}/{self.profile}"

    @property
    def folder_name(self) -> str:
        short = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', f'{self.project}-{self.profile}')}-{short}"


def new_id(now: Instant) -> str:
    """Of a run or a record: UTC stamp plus four hex digits."""
    return f"{now.to_datetime():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def state_folder(
    deployment: DeploymentId, directory: Path, mounts: Iterable[Mount], build_contexts: Iterable[Path],
    elsewhere: Path,
) -> Path:  # fmt: skip
    """Where state lives: in the project directory, unless a container or a build would see it there."""
    inside = directory / FOLDER
    bound = [Path(mount.source) for mount in mounts if mount.kind == "bind"]
    if any(inside.is_relative_to(place) for place in [*bound, *build_contexts]):
        return elsewhere / deployment.folder_name
    return inside / deployment.folder_name


@dataclass(frozen=True)
class Run:
    """One rollback attempt."""

    id: str
    folder: Path
    journal: Journal

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"

    @property
    def saved(self) -> Path:
        return self.folder / "evidence"


@dataclass(frozen=True)
class Store:
    """All runs of one deployment. `now` is this machine's clock."""

    folder: Path
    now: Callable[[], Instant]
    clean: Callable[[Any], Any] = lambda value: value

    def begin(self, run_id: str) -> Run:
        """Raises OSError."""
        folder = self.folder / "runs" / run_id
        folder.mkdir(parents=True)
        for private in (self.folder, self.folder.parent if self.folder.parent.name == FOLDER else self.folder, folder):
            private.chmod(0o700)
        return self._run(run_id)

    def runs(self) -> tuple[Run, ...]:
        """Oldest first: ids begin with their time."""
        folder = self.folder / "runs"
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return tuple(self._run(name) for name in names)

    def latest_that_changed(self) -> RunAccount | None:
        """The newest run that did something, whether or not it went to its end.

        Raises RollbackGateError for a damaged journal, or for runs that this user may not read.
        """
        return next((account for account in reversed(self.accounts()) if account.changed), None)

    def accounts(self) -> tuple[RunAccount, ...]:
        """What the journals of all runs say, oldest first. Raises as `latest_that_changed`."""
        try:
            return tuple(read(run.id, run.journal.entries()) for run in self.runs())
        except OSError as error:
            raise Unreachable(f"the runs of this deployment cannot be read: {error}",
                              "run as the user who rolled back") from error  # fmt: skip

    def _run(self, run_id: str) -> Run:
        folder = self.folder / "runs" / run_id
        return Run(run_id, folder, Journal(folder / "journal.jsonl", self.now, self.clean))


@dataclass(frozen=True)
class RunAccount:
    """A run as its journal tells it. `outcome`: done, failed, or "" when it never ended.

    `changed`: some step was begun.
    """

    id: str
    began: Mapping[str, Any]
    outcome: str
    source_digests: dict[str, str]
    started: dict[str, Started]
    steps: tuple[dict[str, Any], ...]
    interruption: dict[str, Any] | None
    ended_at: Instant | None

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def read(run_id: str, entries: Iterable[Entry]) -> RunAccount:
    """Pure: what the entries of a journal add up to."""
    began: Mapping[str, Any] = {}
    outcome, ended_at, interruption = "", None, None
    digests: dict[str, str] = {}
    started: dict[str, Started] = {}
    steps: dict[str, dict[str, Any]] = {}
    for entry in entries:
        data = entry.data
        if entry.event == "run.begin":
            began = {**data, "at": str(entry.at)}
            digests = dict(data.get("source_digests", {}))
        elif entry.event == "step.begin":
            steps[data["step"]] = {
                "id": data["step"],
                "says": data["says"],
                "began": str(entry.at),
                "outcome": "interrupted",
            }
        elif entry.event == "step.end":
            steps.setdefault(data["step"], {"id": data["step"], "says": "", "began": str(entry.at)})
            steps[data["step"]] |= {"ended": str(entry.at), "outcome": data["outcome"], "detail": data["detail"]}
        elif entry.event == "started":
            one = Started(data["container"], Instant.parse(data["started_at"]), data["image"], data["config_hash"])
            started[one.container_id] = one
        elif entry.event == "interruption":
            interruption = dict(data)
        elif entry.event == "run.end":
            outcome, ended_at = data["outcome"], entry.at
    return RunAccount(run_id, began, outcome, digests, started, tuple(steps.values()), interruption, ended_at)
