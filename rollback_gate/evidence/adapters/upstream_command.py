"""An upstream that a command of the team's own asks: exit status 0 if it can serve the workers."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

from rollback_gate.errors import CommandFailed, CommandTimedOut
from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.systems import CommandUpstream
from rollback_gate.redaction import cut


def read(upstream: CommandUpstream, runner: Runner, clock: Callable[[], float] = time.monotonic) -> UpstreamReading:
    """Takes at most upstream.answer_s. Never raises."""
    command, began = shlex.join(upstream.command), clock()
    try:
        runner(upstream.command, timeout_s=upstream.answer_s)
    except CommandTimedOut as error:
        return UpstreamReading(UpstreamState.SILENT, f"`{command}` {error.status}", upstream.name)
    except CommandFailed as error:
        last = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
        return UpstreamReading(UpstreamState.IN_TROUBLE, f"`{command}` {error.status}: {last}", upstream.name)
    says = f"`{command}` exited with status 0, in {clock() - began:.2f} s"
    return UpstreamReading(UpstreamState.ANSWERS, says, upstream.name)
