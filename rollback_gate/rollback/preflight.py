"""What must hold before anything is touched. Every item is looked at, so that all problems are told at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rollback_gate.commands import Runner
from rollback_gate.deployment import compose as composes
from rollback_gate.deployment import strategy as strategies
from rollback_gate.deployment.archive import digest_in, exists_in
from rollback_gate.deployment.compose import Compose, ComposeService
from rollback_gate.deployment.engine import Engine, command_line_engine_id
from rollback_gate.deployment.replica import Replica
from rollback_gate.deployment.strategy import Strategy, container_path, covering_mount
from rollback_gate.errors import Refused, RollbackGateError
from rollback_gate.evidence import logs
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.log_lines import summarize
from rollback_gate.instant import Instant
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import files, sources
from rollback_gate.rollback.plan import Situation
from rollback_gate.rollback.sources import Source
from rollback_gate.rollback.store import DeploymentId, state_folder

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One thing looked at. `outcome`: ok, warning or refused."""

    name: str
    outcome: str
    says: str
    remedy: str = ""


@dataclass
class Checklist:
    items: list[Item] = field(default_factory=list)

    def ask(self, name: str, question: Callable[[], tuple[T, str]]) -> T | None:
        """The answer; None, and a refused item, where it raises. What depends on it is then not asked."""
        try:
            value, says = question()
        except RollbackGateError as error:
            self.items.append(Item(name, "refused", error.message, error.remedy))
            return None
        except (OSError, ValueError, KeyError) as error:  # odd files, odd answers of the engine
            self.items.append(Item(name, "refused", f"{type(error).__name__}: {error}"))
            return None
        self.items.append(Item(name, "ok", says))
        return value

    def warn(self, name: str, says: str) -> None:
        if says:
            self.items.append(Item(name, "warning", says))

    def refusal(self) -> Refused | None:
        bad = [item for item in self.items if item.outcome == "refused"]
        if not bad:
            return None
        message = "preflight refused, nothing was touched: " + "; ".join(f"{i.name}: {i.says}" for i in bad)
        return Refused(message, "; ".join(i.remedy for i in bad if i.remedy))


@dataclass(frozen=True)
class Preflight:
    """`documents` None: the operator said --without-database. `elsewhere`: state directory outside the project.

    `also_remove`: files of the change that no container needs, for a full rollback.
    """

    profile: Profile
    engine: Engine
    runner: Runner
    documents: Documents | None
    elsewhere: Path
    also_remove: tuple[str, ...] = ()

    @property
    def _to_remove(self) -> tuple[str, ...]:
        return (*self.profile.code.remove, *self.also_remove)

    def look(self) -> tuple[Checklist, Situation | None, Path | None]:
        """The checklist; and, where nothing refuses, the situation and the state folder."""
        checklist = Checklist()
        directory = checklist.ask("project directory", self._directory)
        checklist.ask("engine", self._engine)
        found = checklist.ask("worker", self._worker)
        restored = checklist.ask("old code", lambda: self._sources(directory)) if directory else None
        self._database(checklist)
        if directory is None or found is None:
            return checklist, None, None
        worker, dependents = found
        compose = checklist.ask("compose", lambda: self._compose(worker, directory, checklist))
        if compose is None or restored is None:
            return checklist, None, None
        bound, services = compose
        strategy = checklist.ask("strategy", lambda: self._strategy(worker, services))
        if strategy is None:
            return checklist, None, None
        checklist.ask("same files", lambda: self._same_files(worker, directory, strategy, restored))
        if strategy is Strategy.BUILD:
            checklist.ask("configuration", lambda: self._same_configuration(worker, directory, bound, checklist))
        state = self._state(directory, (*worker, *(r for rows in dependents.values() for r in rows)), services)
        checklist.ask("disk", lambda: self._disk(state))
        checklist.ask("writable", lambda: self._writable(directory, state))
        if checklist.refusal():
            return checklist, None, None
        situation = checklist.ask(
            "state", lambda: self._situation(directory, strategy, bound, services, worker, dependents, restored)
        )
        return checklist, situation, state

    # --- each item

    def _directory(self) -> tuple[Path, str]:
        directory = self.profile.deployment.project_directory
        missing = [name for name in self.profile.deployment.compose_files if not (directory / name).is_file()]
        if not directory.is_dir():
            raise Refused(f"there is no directory {directory}", "correct deployment.project_directory")
        if missing:
            raise Refused(
                f"{directory} has no {', '.join(missing)}", "correct deployment.project_directory or compose_files"
            )
        return directory, str(directory)

    def _engine(self) -> tuple[str, str]:
        theirs = command_line_engine_id(self.runner)
        if theirs != self.engine.id:
            raise Refused(
                f"the docker command talks to engine {theirs}, this tool to {self.engine.id}", "set DOCKER_HOST"
            )
        return theirs, f"{self.engine.host} ({theirs})"

    def _worker(self) -> tuple[tuple[tuple[Replica, ...], dict[str, tuple[Replica, ...]]], str]:
        deployment = self.profile.deployment
        worker = self.engine.containers(deployment.compose_project, deployment.worker)
        if not worker:
            raise Refused(f"project {deployment.compose_project} has no container of service {deployment.worker}",
                          "correct deployment.compose_project or deployment.worker; `docker ps -a --format "
                          "'{{.Names}} {{.Labels}}'` shows what there is")  # fmt: skip
        dependents = {name: self.engine.containers(deployment.compose_project, name) for name in deployment.dependents}
        return (worker, dependents), ", ".join(f"{r.name} {r.condition}" for r in worker)

    def _sources(self, directory: Path) -> tuple[tuple[Source, ...], str]:
        for restored in self.profile.code.restore:
            _inside(directory, restored.path)
        for removed in self._to_remove:
            _inside(directory, removed)
        found = tuple(sources.newest_old(directory, file, self.profile.code) for file in self.profile.code.restore)
        return found, "; ".join(f"{s.path} from {s.origin}" for s in found)

    def _database(self, checklist: Checklist) -> None:
        if self.documents is None:
            checklist.warn("database", "not asked (--without-database): verify will be INCONCLUSIVE")
            return
        documents = self.documents

        def answers() -> tuple[Documents, str]:
            documents.ping()
            return documents, f"{self.profile.database.address} answers"

        checklist.ask("database", answers)

    def _compose(
        self, worker: tuple[Replica, ...], directory: Path, checklist: Checklist
    ) -> tuple[tuple[Compose, dict[str, ComposeService]], str]:
        made_by = worker[0].compose_version
        command, version = composes.choose(composes.installed(self.runner, self.engine.environment), made_by)
        bound = composes.bind(self.profile.deployment, command, version)
        services = composes.services(bound, self.runner, directory)
        wanted = (self.profile.deployment.worker, *self.profile.deployment.dependents)
        missing = [name for name in wanted if name not in services]
        if missing:
            raise Refused(f"the Compose file has no service {', '.join(missing)} (it has {', '.join(services)})",
                          "correct deployment.worker or deployment.dependents")  # fmt: skip
        checklist.warn("compose version", composes.version_warning(version, made_by))
        return (bound, services), f"{' '.join(command)} {version}"

    def _strategy(self, worker: tuple[Replica, ...], services: dict[str, ComposeService]) -> tuple[Strategy, str]:
        chosen = strategies.decide(self.profile, worker, services[self.profile.deployment.worker])
        if chosen is Strategy.IMAGE:
            raise Refused(
                "the service has neither a bind mount for the code nor a build key",
                "this version rolls back bind-mounted and built services; go back to an image by hand",
            )
        return chosen, chosen.value

    def _same_files(
        self, worker: Iterable[Replica], directory: Path, strategy: Strategy, restored: tuple[Source, ...]
    ) -> tuple[bool, str]:
        """The project directory is the one that the containers were made from: a remote engine has files of its own.

        An image holds a copy, so under `build` a local file that is the old code already is right as well.
        """
        for replica in worker:
            for source in restored:
                path = container_path(self.profile, source.path)
                seen, mine = digest_in(self.engine, replica.id, path), _digest(directory / source.path)
                if seen == mine or (strategy is Strategy.BUILD and mine == source.digest):
                    continue
                covered = covering_mount(replica.mounts, path)
                where = f"mounted from {covered.host_path}" if covered else f"{path} of its image"
                raise Refused(f"{replica.name} sees another {source.path} ({where}) than {directory / source.path}",
                              "correct deployment.project_directory, or run this on the engine's machine")  # fmt: skip
        return True, "the containers have the files of the project directory"

    def _same_configuration(
        self, worker: tuple[Replica, ...], directory: Path, compose: Compose, checklist: Checklist
    ) -> tuple[bool, str]:
        """A recreate takes its configuration from the Compose files: they must be those that made the project."""
        made_from = [Path(name).name for name in worker[0].config_files.split(",") if name]
        ours = [Path(name).name for name in compose.files]
        if made_from and made_from != ours:
            raise Refused(f"the project was made from {', '.join(made_from)}, the profile names {', '.join(ours)}",
                          f"set deployment.compose_files to {made_from}")  # fmt: skip
        if compose.version == worker[0].compose_version:
            now = composes.config_hash(compose, self.profile.deployment.worker, self.runner, directory)
            if now != worker[0].config_hash:
                checklist.warn("configuration", "the Compose file, or variables it uses, have changed since the worker "
                               "was made: a recreate changes more than its image")  # fmt: skip
        return True, f"from {', '.join(ours)}, as the project"

    def _state(self, directory: Path, containers: Iterable[Replica], services: dict[str, ComposeService]) -> Path:
        contexts = [(directory / s.build_context).resolve() for s in services.values() if s.builds and s.build_context]
        mounts = [mount for replica in containers for mount in replica.mounts]
        deployment_id = DeploymentId(self.engine.id, self.profile.deployment.compose_project, self.profile.name)
        return state_folder(deployment_id, directory.resolve(), mounts, contexts, self.elsewhere)

    def _disk(self, state: Path) -> tuple[int, str]:
        existing = next(folder for folder in (state, *state.parents) if folder.exists())
        free_mb = shutil.disk_usage(existing).free >> 20
        wanted = self.profile.limits.free_disk_mb
        if free_mb < wanted:
            raise Refused(
                f"{free_mb} MB free at {existing}, {wanted} MB are needed", "make room, or lower limits.free_disk_mb"
            )
        return free_mb, f"{free_mb} MB free at {existing}"

    def _writable(self, directory: Path, state: Path) -> tuple[bool, str]:
        """Everything that will be replaced or moved, and where the run keeps its files."""
        removed = [directory / p for path in self._to_remove for p in _with_bytecode(directory, path)]
        restored = [directory / file.path for file in self.profile.code.restore]
        existing = next(folder for folder in (state, *state.parents) if folder.exists())
        folders = (
            {path.parent for path in (*removed, *restored)} | {path for path in removed if path.is_dir()} | {existing}
        )
        bad = [str(folder) for folder in folders if not os.access(folder, os.W_OK | os.X_OK)]
        if os.geteuid() != 0:  # only root may give a file back to its owner
            bad += [str(path) for path in restored if path.exists() and path.stat().st_uid != os.geteuid()]
        if bad:
            raise Refused(f"no permission to replace or write {', '.join(sorted(bad))}", "run as the owner, or as root")
        return True, "the files can be replaced, and the run can be kept"

    # --- the situation

    def _situation(
        self, directory: Path, strategy: Strategy, compose: Compose, services: dict[str, ComposeService],
        worker: tuple[Replica, ...], dependents: dict[str, tuple[Replica, ...]], found: tuple[Source, ...],
    ) -> tuple[Situation, str]:  # fmt: skip
        to_restore = tuple(s for s in found if _digest(directory / s.path) != s.digest)
        to_remove = tuple(p for path in self._to_remove for p in _with_bytecode(directory, path))
        consuming = tuple(r.id for r in worker if self._consumes(r))
        stale = tuple(r for r in worker if r.id not in consuming or self._is_stale(r, directory, strategy, found))
        stale_dependents = tuple(
            name for name, rows in dependents.items()
            if not rows or any(not r.is_running or self._is_stale(r, directory, strategy, found) for r in rows)
        )  # fmt: skip
        situation = Situation(self.profile, directory, strategy, compose, services, worker, dependents, found,
                              to_restore, to_remove, stale, stale_dependents, consuming)  # fmt: skip
        says = (f"{len(to_restore)} files to restore, {len(to_remove)} paths to remove, stale: {len(stale)} of "
                f"{len(worker)} replicas, {len(stale_dependents)} of {len(dependents)} dependents")  # fmt: skip
        return situation, says

    def _is_stale(self, replica: Replica, directory: Path, strategy: Strategy, found: Iterable[Source]) -> bool:
        """Whether this container has other code than the sources', or started before its files were last touched."""
        if any(exists_in(self.engine, replica.id, container_path(self.profile, p)) for p in self.profile.code.remove):
            return True
        for source in found:
            seen = digest_in(self.engine, replica.id, container_path(self.profile, source.path))
            if seen is None and replica.service != self.profile.deployment.worker:
                continue  # a dependent without this file does not run it
            if seen != source.digest:
                return True
            if (
                strategy is Strategy.BIND
                and replica.started_at
                and replica.started_at < _touched_at(directory / source.path)
            ):
                return True
        return False

    def _consumes(self, replica: Replica) -> bool:
        if not replica.is_running or replica.started_at is None:
            return False
        if replica.log_driver == "none":
            return True  # nothing else is to be seen
        lines = logs.lines(self.engine, replica.id, replica.started_at)
        return summarize(lines, self.profile.logs, replica.started_at).consuming_at is not None


def _inside(directory: Path, relative: str) -> None:
    """Neither a symbolic link nor reached through one that leads out. Raises Refused."""
    path = directory / relative
    if path.is_symlink() or not path.parent.resolve().is_relative_to(directory.resolve()):
        raise Refused(
            f"{path} is, or is reached by, a symbolic link that leads elsewhere", "replace the link by the real file"
        )


def _digest(path: Path) -> str | None:
    return files.digest(path) if path.is_file() else None


def _touched_at(path: Path) -> Instant:
    status = path.stat()
    return Instant(max(status.st_mtime_ns, status.st_ctime_ns))


def _with_bytecode(directory: Path, relative: str) -> list[str]:
    """What exists of a removed path: itself, and the bytecode that Python keeps beside a module."""
    path = directory / relative
    bytecode = sorted(path.parent.glob(f"__pycache__/{path.stem}.*.pyc")) if path.suffix == ".py" else []
    return [str(p.relative_to(directory)) for p in (path, *bytecode) if p.exists() or p.is_symlink()]
