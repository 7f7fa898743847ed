"""What a rollback must leave as it is, asked by commands of the team's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rollback_gate.errors import CommandFailed, CommandTimedOut
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.deployment import Keep
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

RunnerFor = Callable[[Keep], Runner]
_NOT_THERE = 1


def read(profile: Profile, runner_for: RunnerFor) -> dict[str, bool | Unmeasured]:
    """By what it says: whether it is there. Each command takes at most its limit_s. Never raises.

    `runner_for`: a runner with the variables of its command.
    """
    directory = profile.deployment.project_directory
    return {keep.says: _is_there(keep, runner_for(keep), directory) for keep in profile.keep}


def _is_there(keep: Keep, runner: Runner, directory: Path) -> bool | Unmeasured:
    try:
        runner(keep.check, cwd=directory, timeout_s=keep.limit_s)
    except CommandTimedOut as error:
        return Unmeasured(keep.says, error.status)
    except CommandFailed as error:
        if error.exit_status != _NOT_THERE:
            last = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
            return Unmeasured(keep.says, f"its check {error.status}: {last}")
        return False
    return True


def as_journaled(found: Mapping[str, bool | Unmeasured]) -> dict[str, bool | None]:
    """None: it could not be measured."""
    return {says: None if isinstance(one, Unmeasured) else one for says, one in found.items()}
