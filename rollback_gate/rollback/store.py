"""Where a deployment's runs are kept, and what their journals record."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rollback_gate.change.goal import Direction, Mode, ModeName
from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Mount
from rollback_gate.rollback.journal import Entry, Journal

FOLDER = ".rollback"


# Replaces the engine's id if no engine answered.
UNKNOWN_ENGINE = "unknown engine"


@dataclass(frozen=True)
class DeploymentId:
    """Engine id, Compose project and profile name (DESIGN: the words)."""

    engine_id: str
    project: str
    profile: str

    def __str__(self) -> str:
        return f"{self.engine_id}/{self.project}/{self.profile}"

    @classmethod
    def parse(cls, text: str) -> DeploymentId:
        """An engine id that is an address may contain slashes. Raises ValueError."""
        engine_id, project, profile = text.rsplit("/", 2)
        return cls(engine_id, project, profile)

    def may_be(self, other: str) -> bool:
        """True if `other` is this id, or could be: that of a verify that reached no engine."""
        return other in (str(self), str(replace(self, engine_id=UNKNOWN_ENGINE)))

    @property
    def folder_name(self) -> str:
        short = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', f'{self.project}-{self.profile}')}-{short}"


def make_private(state: Path, folder: Path) -> None:
    """Create `folder` below a deployment's `state` folder; no other user may read either. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for private in (state, state.parent if state.parent.name == FOLDER else state, folder):
        private.chmod(0o700)
    ignored = state.parent / ".gitignore"
    if state.parent.name == FOLDER:  # `git clean` would remove the quarantine, `git add` would add what a run saved
        with contextlib.suppress(FileExistsError), ignored.open("x") as file:  # follows no link
            file.write("*\n")


def new_id(now: Instant) -> str:
    """Id of a run or a record: UTC stamp plus four hex digits."""
    return f"{now.to_datetime():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def state_folder(
    deployment: DeploymentId,
    directory: Path,
    mounts: Iterable[Mount],
    build_contexts: Iterable[Path],
    elsewhere: Path,
    is_shared: bool = False,
) -> Path:
    """The state folder: in the project directory, unless a container or a build would see it there.

    `is_shared`: others may write the project directory and could replace the state, so it is kept `elsewhere`.
    """
    inside = directory / FOLDER
    if is_shared:
        return elsewhere / deployment.folder_name
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

    @property
    def sources(self) -> Path:
        """Exact copies of what the run restores: a resume does not depend on the backup."""
        return self.folder / "sources"

    def account(self) -> RunAccount:
        """The run by its journal. Raises RollbackGateError for a damaged or lost one, OSError."""
        account = read(self.id, self.journal.entries())
        if not account.began and any(self.folder.glob("quarantine*")):
            raise RollbackGateError(
                f"the journal of run {self.id} is lost: {self.folder} holds what it moved away",
                "restore journal.jsonl from a copy; or put the files back by hand, and move the folder away",
            )
        return account

    def spare(self, relative: str) -> Path:
        """An unused path beside the quarantine, for when the place in it is taken."""
        number = 2
        while (self.folder / f"quarantine.{number}" / relative).exists():
            number += 1
        return self.folder / f"quarantine.{number}" / relative


@dataclass(frozen=True)
class Store:
    """All runs of one deployment. `now`: this machine's clock. `trusted`: uids whose journals are used; None: all."""

    folder: Path
    now: Callable[[], Instant]
    clean: Callable[[Any], Any] = lambda value: value
    trusted: frozenset[int] | None = None

    def begin(self, run_id: str) -> Run:
        """Create a run; removes folders of runs that were killed before they began: they touched nothing.

        Raises OSError; RollbackGateError for a journal that is damaged or lost.
        """
        for run in self.runs():
            if not run.account().began:
                shutil.rmtree(run.folder)
        folder = self.folder / "runs" / run_id
        make_private(self.folder, folder)
        return self._run(run_id)

    def runs(self) -> tuple[Run, ...]:
        """Oldest first: ids begin with their time."""
        folder = self.folder / "runs"
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return tuple(self._run(name) for name in names)

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    def _run(self, run_id: str) -> Run:
        folder = self.folder / "runs" / run_id
        return Run(run_id, folder, Journal(folder / "journal.jsonl", self.now, self.clean, self.trusted))


def runs_in(stores: Iterable[Store]) -> list[tuple[Run, RunAccount]]:
    """Every run that began, with its account, oldest first.

    A run without a first journal entry was killed before it began and touched nothing. Raises RollbackGateError for a
    damaged journal, Unreachable for runs that this user may not read.
    """
    try:
        rows = [(run, run.account()) for one in stores for run in one.runs()]
    except OSError as error:
        raise Unreachable(
            f"the runs of this deployment cannot be read: {error}", "run as the user who rolled back, or as root"
        ) from error
    return sorted((row for row in rows if row[1].began), key=lambda row: row[1].began_at)


def standing_in(runs: Iterable[tuple[Run, RunAccount]]) -> list[tuple[Run, RunAccount]]:
    """Runs that may still be in effect, including older ones that a newer run left in place."""
    return [row for row in runs if not row[1].is_undone and (row[1].changed or row[1].is_unended)]


@dataclass(frozen=True)
class RunAccount:
    """A run by its journal. `direction`: rollback, or undo once one began.

    `outcome`, of that direction: done, failed, stopped (by the operator or a signal), or "" if it never ended. `steps`:
    all that began, in order, including those of resumed attempts. `built`: ids of its last build, by image name;
    `ever_built`: ids of all its builds.
    `messages`: of a production rollback, the outcome of each.
    `attempts`: each start, resume and undo, with operator, time, reason and overrides. `others`: container id by name,
    of the services that this run must leave alone, as they were when its direction began.
    """

    id: str
    began: Mapping[str, Any]
    direction: Direction
    outcome: str
    source_digests: dict[str, str]
    started: dict[str, Started]
    steps: tuple[dict[str, Any], ...]
    interruption: dict[str, Any] | None
    ended_at: Instant | None
    built: Mapping[str, str] = field(default_factory=dict)
    ever_built: tuple[str, ...] = ()
    attempts: tuple[dict[str, Any], ...] = ()
    messages: tuple[dict[str, str], ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def began_at(self) -> Instant:
        """Orders the runs: ids have no order within a second."""
        return Instant.parse(self.began["at"])

    @property
    def changed(self) -> bool:
        """True if any step began."""
        return bool(self.steps)

    @property
    def is_unended(self) -> bool:
        """True if it has no end, or stopped or failed after a step began: it can be resumed or undone."""
        return self.outcome != "done" and (self.changed or self.outcome == "")

    @property
    def is_undone(self) -> bool:
        return self.direction is Direction.UNDO and self.outcome == "done"

    @property
    def mode(self) -> Mode:
        return Mode(ModeName(self.began.get("mode", "quick")), bool(self.began.get("with_documentation")))

    @property
    def in_words(self) -> str:
        how = {"done": "done", "failed": "failed before its end", "stopped": "was stopped before its end"}
        verb = how.get(self.outcome, "was killed before its end")
        if self.direction is Direction.UNDO:
            return "undone" if self.outcome == "done" else f"its undo {verb}"
        return verb

    def done(self, kind: str) -> list[tuple[str, ...]]:
        """Targets of all steps of a kind that began, including one that was killed."""
        return [tuple(step["targets"]) for step in self.steps if step["kind"] == kind]


def read(run_id: str, entries: Iterable[Entry]) -> RunAccount:
    """The account that a journal's entries add up to. Pure. Raises RollbackGateError for another version's entries."""
    reader = _Reader(run_id)
    try:
        for entry in entries:
            reader.feed(entry)
    except (KeyError, IndexError, ValueError) as error:
        raise RollbackGateError(
            f"the journal of run {run_id} was written by another version: {error!r}",
            "use the version that wrote it, or move the run's folder away",
        ) from error
    return reader.account()


@dataclass
class _Reader:
    run_id: str
    began: Mapping[str, Any] = field(default_factory=dict)
    direction: Direction = Direction.ROLLBACK
    outcome: str = ""
    ended_at: Instant | None = None
    interruption: dict[str, Any] | None = None
    started: dict[str, Started] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    built: Mapping[str, str] = field(default_factory=dict)
    ever_built: list[str] = field(default_factory=list)
    messages: list[dict[str, str]] = field(default_factory=list)
    others: Mapping[str, str] = field(default_factory=dict)

    def feed(self, entry: Entry) -> None:
        data = entry.data
        if entry.event in ("run.begin", "run.resume", "run.undo"):
            self.attempts.append(
                {
                    "what": entry.event.removeprefix("run."),
                    "at": str(entry.at),
                    "steps": 0,
                    **{key: data.get(key) for key in ("operator", "reason", "overrides")},
                }
            )
            self.others = data.get("others", self.others)
        if entry.event == "run.begin":
            self.began = {**data, "at": str(entry.at)}
        elif entry.event in ("run.resume", "run.undo"):
            self.direction, self.outcome, self.ended_at = Direction(data["direction"]), "", None
            self.built = self.built if self.direction is Direction.ROLLBACK else {}
        elif entry.event == "step.begin":
            begun = {"id": data["step"], "began": str(entry.at), "outcome": "interrupted", "detail": ""}
            self.steps.append(begun | {key: data[key] for key in ("kind", "targets", "says")})
        elif entry.event == "step.end":
            self.steps[-1] |= {"ended": str(entry.at), "outcome": data["outcome"], "detail": data["detail"]}
            self.attempts[-1]["steps"] += data["outcome"] == "done"
            self.built = data.get("built", self.built)
            self.ever_built += data.get("built", {}).values()
        elif entry.event == "started":
            one = Started(data["container"], Instant.parse(data["started_at"]), data["image"], data["config_hash"])
            self.started[one.container_id] = one
        elif entry.event == "message":
            self.messages.append({"name": data["name"], "outcome": data["outcome"], "at": str(entry.at)})
        elif entry.event == "interruption":
            self.interruption = dict(data)
        elif entry.event == "run.end":
            self.outcome, self.ended_at = data["outcome"], entry.at

    def account(self) -> RunAccount:
        started = self.started if self.direction is Direction.ROLLBACK else {}
        digests = dict(self.began.get("source_digests", {}))
        return RunAccount(
            self.run_id,
            self.began,
            self.direction,
            self.outcome,
            digests,
            started,
            tuple(self.steps),
            self.interruption,
            self.ended_at,
            self.built,
            tuple(self.ever_built),
            tuple(self.attempts),
            tuple(self.messages),
            self.others,
        )
