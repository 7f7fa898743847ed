"""What can go wrong, few types. Each holds its evidence, says what to do next and knows the exit code."""

from __future__ import annotations

from rollback_gate.model import ExitCode


class RollbackGateError(Exception):
    """Base: `message` names the thing, `remedy` what to do next."""

    exit_code = ExitCode.INCONCLUSIVE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n  → ".join([self.message, *self.remedy.splitlines()])


class WrongSetting(RollbackGateError):
    """Profile, environment or command line hold something that cannot be right."""

    exit_code = ExitCode.WRONG_SETTING


class Refused(RollbackGateError):
    """Preflight found a reason not to begin. Nothing was touched."""

    exit_code = ExitCode.REFUSED


class Locked(RollbackGateError):
    """Another run holds the deployment's lock."""

    exit_code = ExitCode.LOCKED


class RollbackFailed(RollbackGateError):
    """A step failed after something had been touched; the record says in what state the service is.

    `cause`: why, apart from which step it was. `run_id`, `record` (its page) and `state` (one line per container). All
    are "" and empty until they are known.
    """

    exit_code = ExitCode.ROLLBACK_FAILED
    cause = ""
    run_id = ""
    record = ""
    state: tuple[str, ...] = ()


class EndedEarly(RollbackGateError):
    """Somebody asked for an end while the last step of a run was done: it is done, and nobody has judged it."""

    def __init__(self, message: str, remedy: str, run_id: str) -> None:
        super().__init__(message, remedy)
        self.run_id = run_id


class Unreachable(RollbackGateError):
    """Docker, Compose, the queue or the database did not answer as needed."""


class Unreadable(Unreachable):
    """The engine answers, and does not give this: a log whose driver keeps none, for example."""


class TrackerRefused(RollbackGateError):
    """The tracker of tickets will not do it, however often it is asked: no such ticket, no right to it."""


class TrackerBusy(RollbackGateError):
    """The tracker may do it later. `retry_after_s`: what it said itself, 0 for nothing."""

    retry_after_s = 0.0


class CommandFailed(RollbackGateError):
    """A command exited with another status than 0, or not in time."""

    def __init__(self, argv: tuple[str, ...], status: str, output: str, remedy: str = "") -> None:
        self.argv, self.status, self.output = argv, status, output
        last = "\n".join(output.strip().splitlines()[-8:])
        super().__init__(f"`{' '.join(argv)}` {status}" + (f":\n{last}" if last else ""), remedy)
