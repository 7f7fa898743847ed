"""The few types of errors. Each holds its evidence, a remedy and the exit code."""

from __future__ import annotations

from rollback_gate.model import ExitCode


class RollbackGateError(Exception):
    """Base: `message` names the problem, `remedy` what to do next."""

    exit_code = ExitCode.INCONCLUSIVE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n  → ".join([self.message, *self.remedy.splitlines()])


class WrongSetting(RollbackGateError):
    """Profile, environment or command line hold an invalid value."""

    exit_code = ExitCode.WRONG_SETTING


class Refused(RollbackGateError):
    """Preflight found a reason not to start. Nothing was touched."""

    exit_code = ExitCode.REFUSED


class Locked(RollbackGateError):
    """Another run holds the deployment's lock."""

    exit_code = ExitCode.LOCKED


class RollbackFailed(RollbackGateError):
    """A step failed after something had been touched; the record reports the state of the service.

    `cause`: the reason, without the step. `run_id`, `record` (its page) and `state` (one line per container). All are
    "" or empty until they are known.
    """

    exit_code = ExitCode.ROLLBACK_FAILED
    cause = ""
    run_id = ""
    record = ""
    state: tuple[str, ...] = ()


class EndedEarly(RollbackGateError):
    """A signal arrived during the last step of a run: the run is done, and not yet judged."""

    def __init__(self, message: str, remedy: str, run_id: str) -> None:
        super().__init__(message, remedy)
        self.run_id = run_id


class Unreachable(RollbackGateError):
    """Docker, Compose, the queue or the database did not answer as needed."""


class Unreadable(Unreachable):
    """The engine answers but does not provide this: for example, a log driver that keeps no logs."""


class TrackerRefused(RollbackGateError):
    """The ticket tracker refuses, and a retry will not help: no such ticket, or no permission."""


class TrackerBusy(RollbackGateError):
    """The ticket tracker may accept it later. `retry_after_s`: the wait it asked for, 0 for none."""

    retry_after_s = 0.0


class CommandFailed(RollbackGateError):
    """A command exited with a status other than 0, or did not end in time.

    `exit_status`: negative for a signal that ended it; None if it did not start, or did not end.
    """

    def __init__(
        self, argv: tuple[str, ...], status: str, output: str, remedy: str = "", exit_status: int | None = None
    ) -> None:
        self.argv, self.status, self.output, self.exit_status = argv, status, output, exit_status
        last = "\n".join(output.strip().splitlines()[-8:])
        super().__init__(f"`{' '.join(argv)}` {status}" + (f":\n{last}" if last else ""), remedy)


class CommandTimedOut(CommandFailed):
    """A command did not end within its time limit, and was killed."""
