"""The arguments of every command, and what all commands need from a deployment."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rollback_gate.checks.manifest import Scope
from rollback_gate.errors import WrongSetting
from rollback_gate.evidence import probe_memory
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines
from rollback_gate.profile.load import Settings, load
from rollback_gate.record import build, html, seal
from rollback_gate.record.build import Heading
from rollback_gate.record.seal import Key
from rollback_gate.rollback import lease, lock, ownership, store
from rollback_gate.rollback.lock import Held
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId, RunAccount, Store
from rollback_gate.suite import own
from rollback_gate.suite.request import redactor
from rollback_gate.workflow.terminal import Terminal

_NOTES = Path("/tmp")  # not TMPDIR: it can differ between users
_OF_ROOT, _OF_USER = Path("/var/lib/rollback-gate"), Path(".local/state/rollback-gate")


@dataclass(frozen=True)
class Call:
    """The arguments of every command. `root`: where this tool is installed; `reports`: where records go."""

    profile_path: Path
    settings_given: tuple[str, ...]
    environ: Mapping[str, str]
    root: Path
    reports: Path
    terminal: Terminal
    with_database: bool = True
    accept_diff: bool = False

    @classmethod
    def make(
        cls,
        root: Path,
        profile: str,
        given: Iterable[str],
        environ: Mapping[str, str],
        terminal: Terminal,
        with_database: bool = True,
        accept_diff: bool = False,
    ) -> Call:
        path = Path(profile or environ.get("ROLLBACK_GATE_PROFILE") or root / "profiles" / "phase1.toml")
        call = cls(path.absolute(), tuple(given), environ, root, Path(), terminal, with_database, accept_diff)
        return replace(call, reports=(_named(environ, "ROLLBACK_GATE_REPORTS") or call._own_reports()).absolute())

    def _own_reports(self) -> Path:
        """The default folder of records: the checkout's; for an installation, one for the whole machine.

        An upgrade replaces the installation's own folder. With one per user, a GO could stand beside another user's
        NO-GO. Raises WrongSetting.
        """
        if (self.root / "tasks.py").is_file():
            return self.root / "reports"
        if os.geteuid() != 0 and not self.environ.get("ROLLBACK_GATE_STATE_DIRECTORY"):
            raise WrongSetting(
                "where records go is not set", "set ROLLBACK_GATE_REPORTS to a folder that all operators share"
            )
        return self.elsewhere / "reports"

    def load(self) -> Settings:
        """Loads the settings and gives the terminal their secrets. Raises WrongSetting, also for a weak signing key."""
        seal.key_of(self.environ)
        settings = load(self.profile_path, self.environ, self.settings_given)
        self.terminal.redactor = redactor(settings.profile, self.environ)
        return settings

    @property
    def key(self) -> Key | None:
        """The key that signs records; None if unset. Raises WrongSetting for a guessable key."""
        return seal.key_of(self.environ)

    @property
    def operator(self) -> str:
        """The user name according to the kernel; for root, the sudo caller's. A uid without a name becomes "uid N"."""
        caller = self.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""  # any other user could set it
        try:
            return caller or pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return f"uid {os.getuid()}"

    @property
    def trusted(self) -> frozenset[int]:
        """Uids whose state is trusted: root, this user and, when root, the sudo caller."""
        sudoer = self.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
        return frozenset({0, os.geteuid(), *([int(sudoer)] if sudoer.isdecimal() else [])})

    @property
    def elsewhere(self) -> Path:
        """The state directory for what cannot be in the project directory."""
        return self.all_elsewhere[0]

    @property
    def all_elsewhere(self) -> tuple[Path, ...]:
        """State directories: this user's first, then those that may hold another user's earlier run."""
        named = self.environ.get("ROLLBACK_GATE_STATE_DIRECTORY")
        if named:
            return (Path(named),)
        if os.geteuid() != 0:
            return (*(home / _OF_USER for home in _home()), _OF_ROOT)
        sudoer = self.environ.get("SUDO_USER", "root")
        known = sudoer != "root" and sudoer in {entry.pw_name for entry in pwd.getpwall()}
        return (_OF_ROOT, Path(pwd.getpwnam(sudoer).pw_dir) / _OF_USER) if known else (_OF_ROOT,)


def _named(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _home() -> tuple[Path, ...]:
    """Empty for a user without a home directory, as in a container."""
    try:
        return (Path.home(),)
    except RuntimeError:
        return ()


def local_now() -> Instant:
    return Instant.from_epoch_s(time.time())


def moment_given(since: str) -> Instant | None:
    """The time given with --since; None for "". Raises WrongSetting."""
    try:
        return Instant.parse(since) if since else None
    except ValueError as error:
        raise WrongSetting(f"--since {since}: {error}", "for example --since 2026-01-21T14:05:00Z") from error


@contextlib.contextmanager
def lock_of(call: Call, settings: Settings, engine: Engines, purpose: str) -> Iterator[Held | None]:
    """Takes the lock: rollback and verify exclude each other. Of a stack, on every machine."""
    note, deployment = holder_note(settings, engine), settings.profile.deployment
    with contextlib.ExitStack() as stack:
        held = None
        # Without a directory there is nothing to protect; preflight reports it, with its other findings.
        if os.path.isdir(deployment.project_directory):  # noqa: PTH112 - is_dir raises where it may not be searched
            mine = lock.held(deployment.project_directory, note, call.operator, purpose, local_now())
            held = stack.enter_context(mine)
        if deployment.platform == "swarm":
            stack.enter_context(lease.leased(engine.main, deployment.project, call.operator, purpose, local_now()))
        yield held


def holder_note(settings: Settings, engine: Engines) -> Path:
    """The same path for every user of this machine."""
    return _NOTES / f"rollback-gate-{deployment_id(settings, engine).folder_name}.holder"


def deployment_id(settings: Settings, engine: Engines | Unmeasured) -> DeploymentId:
    engine_id = UNKNOWN_ENGINE if isinstance(engine, Unmeasured) else engine.id
    return DeploymentId(engine_id, settings.profile.deployment.project, settings.profile.name)


def stores_of(call: Call, settings: Settings, engine: Engines) -> tuple[Store, ...]:
    """All places where runs and snapshots of a deployment can be.

    The strategy may have changed between runs, and state outside the project is per user. Raises Refused for state that
    belongs neither to this caller nor to root.
    """
    deployment = deployment_id(settings, engine)
    project = settings.profile.deployment.project_directory
    inside, clean = project / store.FOLDER, call.terminal.redactor.value
    trusted = call.trusted | ownership.owner_of(project)
    folders = [place / deployment.folder_name for place in (inside, *call.all_elsewhere)]
    for folder in (inside, *folders):
        with contextlib.suppress(OSError):  # a folder that cannot be inspected is reported by its reader
            ownership.refuse_foreign(folder, trusted)
    return tuple(Store(folder, local_now, clean, trusted) for folder in folders)


def probe_memories(call: Call, settings: Settings, engine: Engines | Unmeasured) -> tuple[Path, ...]:
    """Files of remembered test documents: this caller's own first, then those of other users."""
    deployment = deployment_id(settings, engine)
    return tuple(place / deployment.folder_name / probe_memory.FILE for place in call.all_elsewhere)


def heading_of(
    call: Call, settings: Settings, kind: str, engine: Engines | Unmeasured, account: RunAccount | None
) -> Heading:
    profile, deployment = settings.profile, deployment_id(settings, engine)
    directory = str(profile.deployment.project_directory)
    return Heading(
        kind=kind,
        record_id=store.new_id(local_now()),
        began=local_now(),
        operator=call.operator,
        deployment={"id": str(deployment), "engine": deployment.engine_id, "directory": directory},
        settings=build.settings_of(settings),
        run=build.run_of(account) if account else None,
        titles=profile.titles.model_dump(),
        scope=Scope.of(profile, own.find(own.folder_of(call.profile_path), profile)),
        change=profile.title,
        tool=html.tool(),
        launcher=call.terminal.launcher,
        began_local=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    )
