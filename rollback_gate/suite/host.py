"""testinfra's host for checks of a team's own: one container by its id, with a limit, and without silent failures.

testinfra's own backend calls the docker command. Of a container that died, or an engine that does not answer, that ends
with status 1, and `not host.file(...).exists` passes. Here nothing that was not answered is an answer.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from docker.errors import DockerException
from requests import RequestException
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.platform.deadline import within
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica

LIMIT_S = 30.0
_GRACE_S = 5.0
_NOT_RUN = (126, 127)
_ASKS_FOR_A_PROGRAM = re.compile(r"command -v [\w./'-]+")  # whose status is 127 in some shells where there is none
_OF_THE_ENGINE = b"OCI runtime"  # there is no shell, or no `timeout`
_SIGNAL = 128


class NotAnswered(RollbackGateError):
    """A command inside a container did not run to its end."""


@dataclass
class Doubts:
    """Why the answers of one check cannot be believed; empty if they can."""

    found: list[str] = field(default_factory=list)


class Inside(BaseBackend):  # type: ignore[misc] # testinfra has no types
    """Runs commands in one container, through the engine."""

    NAME = "rollback-gate"

    def __init__(self, engine: Engine, replica: Replica, doubts: Doubts, limit_s: float = LIMIT_S) -> None:
        super().__init__(replica.id)
        self._engine, self._replica, self._doubts, self._limit_s = engine, replica, doubts, limit_s

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Raises NotAnswered."""
        text = self.get_command(command, *args)
        began = time.monotonic()
        try:
            status, out, err = within(self._limit_s + _GRACE_S, lambda: self._ran(text))
        except (DockerException, RequestException, OSError) as error:
            raise self._doubted(f"`{text}` could not be asked: {error}") from error
        if time.monotonic() - began >= self._limit_s:
            raise self._doubted(f"`{text}` did not end within {self._limit_s:g} s")
        is_question = bool(_ASKS_FOR_A_PROGRAM.fullmatch(text)) and _OF_THE_ENGINE not in out + err
        if status is None or status >= _SIGNAL or (status in _NOT_RUN and not is_question):
            self._doubted(f"`{text}` could not be run in {self._replica.name} (status {status})")
        return self.result(127 if status is None else status, text.encode(), out, err)

    def _ran(self, text: str) -> tuple[int | None, bytes, bytes]:
        api = self._engine.client.api
        command = ["timeout", "-s", "KILL", f"{self._limit_s:g}", "sh", "-c", text]
        made = api.exec_create(self._replica.id, command)
        out, err = api.exec_start(made["Id"], demux=True)
        return api.exec_inspect(made["Id"])["ExitCode"], out or b"", err or b""

    def get_encoding(self) -> str:
        """testinfra asks the container's Python, which need not be there."""
        return "utf-8"

    def _doubted(self, says: str) -> NotAnswered:
        self._doubts.found.append(says)
        return NotAnswered(says)


def host_of(engine: Engine, replica: Replica, doubts: Doubts, limit_s: float = LIMIT_S) -> Host:
    return Host(Inside(engine, replica, doubts, limit_s))


def why_another(engines: Engines, replica: Replica) -> str:
    """Why the container is not as it was when the check began; "" if it is."""
    try:
        now = now_of(engines, replica)
    except Unreachable as error:
        return f"whether {replica.name} still runs could not be asked: {error.message}"
    if now is None:
        return f"{replica.name} is gone"
    if not now.is_running:
        return f"{replica.name} is {now.condition}"
    return f"{replica.name} was restarted meanwhile" if now.started_at != replica.started_at else ""
