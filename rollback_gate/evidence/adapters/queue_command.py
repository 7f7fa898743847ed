"""A queue that commands of the team's own read and fill."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollback_gate.errors import CommandFailed, Unreachable
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.systems import CommandQueue
from rollback_gate.redaction import cut

Count = Field(ge=0, strict=True)


class _Client(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hostname: str = ""
    address: str = ""
    finished: int = Field(default=0, ge=0, strict=True)


class _Answer(BaseModel):
    """What the command prints. Only `depth` is required; what is left out, it cannot tell."""

    model_config = ConfigDict(extra="forbid")
    depth: int = Count
    in_flight: int | None = Field(default=None, ge=0, strict=True)
    deferred: int = Field(default=0, ge=0, strict=True)
    finished: int | None = Field(default=None, ge=0, strict=True)
    consumers: tuple[_Client, ...] | None = None
    paused: bool = Field(default=False, strict=True)


@dataclass(frozen=True)
class CommandAdapter:
    queue: CommandQueue
    limit_s: float
    runner: Runner

    def read(self) -> QueueReading | Unmeasured:
        command, what = self.queue.read, "the queue"
        try:
            printed = self.runner(command, timeout_s=self.limit_s).stdout
            return parse(json.loads(printed), command)
        except CommandFailed as error:
            said = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
            return Unmeasured(what, f"`{shlex.join(command)}` {error.status}: {said}")
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            return Unmeasured(what, f"`{shlex.join(command)}` printed something else than a queue's state: {wrong}")
        except (ValueError, RecursionError) as error:
            return Unmeasured(what, f"`{shlex.join(command)}` printed no JSON ({error})")

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        command = self.queue.send
        if not command:
            raise Unreachable("the queue has no command that sends a task", "set queue.send, or leave the probe out")
        try:
            self.runner(command, timeout_s=self.limit_s, text="".join(f"{json.dumps(task)}\n" for task in tasks))
        except CommandFailed as error:
            said = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
            raise Unreachable(f"`{shlex.join(command)}` {error.status}: {said}", "check queue.send") from error


def parse(table: Any, command: tuple[str, ...]) -> QueueReading:
    """Raises ValidationError."""
    found = _Answer.model_validate(table)
    reason = f"`{shlex.join(command)}` does not print it"
    clients = found.consumers
    return QueueReading(
        depth=found.depth,
        in_flight=Unmeasured("messages in flight", reason) if found.in_flight is None else found.in_flight,
        consumers=Unmeasured("the queue's consumers", reason)
        if clients is None
        else tuple(Consumer(c.hostname, c.address, c.finished) for c in clients),
        finished=Unmeasured("finished messages", reason) if found.finished is None else found.finished,
        deferred=found.deferred,
        paused=found.paused,
    )
