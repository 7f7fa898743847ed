"""The queue that the workers read. Chooses the adapter of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.evidence.adapters.extras import needing
from rollback_gate.evidence.adapters.queue_command import CommandAdapter
from rollback_gate.evidence.adapters.queue_nsq import NsqAdapter
from rollback_gate.evidence.adapters.queue_rabbitmq import RabbitmqAdapter
from rollback_gate.evidence.readings import QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.load import queue_password
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.systems import NsqQueue, RabbitmqQueue, RedisQueue

_AGAIN_S = 0.5


class Queue(Protocol):
    """One queue: what it holds and who reads it, and how the worker's own producers send tasks into it."""

    def read(self) -> QueueReading | Unmeasured:
        """Its state now, within limits.answer_s. Never raises. A value that this kind cannot tell is Unmeasured."""

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        """Sends all tasks at once, so that each idle consumer gets one. Raises Unreachable."""


@dataclass(frozen=True)
class NoQueue:
    """In place of a queue that cannot be asked."""

    reason: str

    def read(self) -> QueueReading | Unmeasured:
        return Unmeasured("the queue", self.reason)

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        raise Unreachable(f"{len(list(tasks))} tasks cannot be sent: {self.reason}", "check [queue] in the profile")


def read_when_listed(
    queue: Queue,
    limit_s: float,
    is_listed: Callable[[QueueReading | Unmeasured], bool],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> QueueReading | Unmeasured:
    """Its state, read again until the replicas are listed, for at most `limit_s`. Never raises."""
    until = clock() + limit_s
    reading = queue.read()
    while not is_listed(reading) and clock() < until:
        sleep(_AGAIN_S)
        reading = queue.read()
    return reading


def of(profile: Profile, environ: Mapping[str, str]) -> Queue:
    """The profile's queue. Where its password or its client library is missing, every reading says so.

    `environ`: what a queue's commands may have of it is chosen by queue.variables.
    """
    try:
        return _of(profile, environ)
    except WrongSetting as error:
        return NoQueue(f"{error.message}; {error.remedy}")


def _of(profile: Profile, environ: Mapping[str, str]) -> Queue:
    limit_s = profile.limits.answer_s
    match profile.queue:
        case NsqQueue() as queue:
            return NsqAdapter(queue, limit_s)
        case RedisQueue() as queue:
            return _redis(queue, limit_s, queue_password(queue, environ))
        case RabbitmqQueue() as queue:
            return RabbitmqAdapter(queue, limit_s, queue_password(queue, environ))
        case None:
            return NoQueue("the profile has no section [queue]")
        case queue:
            return CommandAdapter(queue, limit_s, SubprocessRunner(allowed(environ, queue.variables)))


def _redis(queue: RedisQueue, limit_s: float, password: SecretStr | None) -> Queue:
    with needing("redis", "queue.kind"):
        from rollback_gate.evidence.adapters.queue_redis import RedisAdapter
    return RedisAdapter(queue, limit_s, password)
