"""One deployment, locked and connected: the basis of every task that acts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.errors import Refused, Unreachable
from rollback_gate.evidence import documents
from rollback_gate.evidence.documents import Documents
from rollback_gate.model import Unmeasured
from rollback_gate.platform import images
from rollback_gate.platform.commands import Runner, SubprocessRunner, allowed
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines
from rollback_gate.profile.deployment import Keep
from rollback_gate.profile.load import Settings
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.lock import Held
from rollback_gate.rollback.store import Run, RunAccount, Store, runs_in, standing_in
from rollback_gate.workflow.call import Call, deployment_id, lock_of, stores_of


@dataclass(frozen=True)
class Session:
    """`lock` is None if there is no project directory, which preflight refuses.

    `asks_before`: run the checks once before the rollback, in a process of their own.
    """

    call: Call
    settings: Settings
    engines: Engines
    runner: Runner
    lock: Held | None
    documents: Documents | Unmeasured
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asks_before: bool = True

    @property
    def profile(self) -> Profile:
        return self.settings.profile

    @property
    def deployed(self) -> Deployed:
        return Deployed(self.profile, self.engines)

    @property
    def engine(self) -> Engine:
        """The one that the docker command talks to."""
        return self.engines.main

    @property
    def keeps(self) -> str:
        """Repository under which images of this deployment are kept."""
        return f"rollback-gate/{deployment_id(self.settings, self.engines).folder_name.lower()}"

    def runner_for(self, keep: Keep) -> Runner:
        """A runner with the variables of a command of the team's own."""
        return SubprocessRunner(allowed(self.engine.environment, keep.variables))

    def runner_as(self, user: tuple[int, int] | None) -> Runner:
        """A runner for commands of another user (uid and gid); None: as this process."""
        return SubprocessRunner(allowed(self.engine.environment), run_as=user) if user else self.runner

    @property
    def stores(self) -> tuple[Store, ...]:
        return stores_of(self.call, self.settings, self.engines)

    @property
    def snapshots(self) -> tuple[Path, ...]:
        return tuple(store.snapshots for store in self.stores)

    def runs(self) -> list[tuple[Run, RunAccount]]:
        """All runs of this deployment that began, oldest first. Raises RollbackGateError for a damaged journal."""
        return runs_in(self.stores)

    def standing(self) -> list[tuple[Run, RunAccount]]:
        """Runs that may still be in effect, oldest first. Raises as `runs`."""
        return standing_in(self.runs())

    def unended(self) -> tuple[Run, RunAccount] | None:
        """The run that can be resumed or undone; None if the newest standing run has ended. Raises as `runs`."""
        newest = self.standing()[-1:]
        return newest[0] if newest and newest[0][1].is_unended else None


def tidied(engines: Engines, profile: Profile) -> None:
    """Removes temporary containers left by a killed look. Raises Refused if the engine no longer answers."""
    try:
        images.sweep_everywhere(engines, profile.deployment.project)
    except Unreachable as error:
        raise Refused(f"preflight refused, nothing was touched: {error.message}", error.remedy) from error


Opening = Callable[[Call, str], contextlib.AbstractContextManager[Session]]


@contextlib.contextmanager
def opened(call: Call, purpose: str) -> Iterator[Session]:
    """Opens a session. Raises WrongSetting, Locked; Refused if there is no engine."""
    settings = call.load()
    try:
        engines = connect(settings.profile, call.environ)
    except Unreachable as error:
        raise Refused(f"preflight refused, nothing was touched: {error.message}", error.remedy) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(engines))
        lock = stack.enter_context(lock_of(call, settings, engines, purpose))
        database: Documents | Unmeasured = Unmeasured("the database", "it was left out (--without-database)")
        if call.with_database:
            database = documents.connect(settings.profile, call.environ)
        if not isinstance(database, Unmeasured):
            stack.enter_context(contextlib.closing(database))
        environment = allowed(engines.environment, settings.profile.deployment.variables)
        runner = SubprocessRunner(environment, lock.descriptor if lock else None)
        tidied(engines, settings.profile)
        yield Session(call, settings, engines, runner, lock, database)
