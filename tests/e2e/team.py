"""Another team at its deployment from examples/: what the end-to-end tests of those share."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from socket import create_server
from typing import cast

import requests

from lab.example import Example
from lab.operator import Operator
from lab.reference import Lab

QUICK = ("--set", "limits.soak_s=1", "--set", "limits.health_s=20", "--set", "limits.sample_wait_s=1")

_LISTED_S = 60.0


def free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(int(listener.getsockname()[1]) for listener in listeners)


def project_of(name: str, folder: Path) -> str:
    """A name of a project that no other test of this run has."""
    return f"e2e-{name}-{folder.parent.name[-8:].strip('_').lower()}"


def consumer_is_listed(one: Example) -> None:
    """RabbitMQ tells its consumers some seconds after its start."""
    url = f"http://127.0.0.1:{one.variables['RABBITMQ_PORT']}/api/queues/%2F/receipts"
    deadline = time.monotonic() + _LISTED_S
    while len(requests.get(url, auth=("guest", "guest"), timeout=5).json().get("consumer_details", ())) != 1:
        assert time.monotonic() < deadline, "RabbitMQ lists no consumer"
        time.sleep(0.2)


class Team:
    """One deployment, and its operator. Of a lab, the operator uses the profile only."""

    def __init__(self, one: Example, reports: Path) -> None:
        self.one, self.operator = one, Operator(cast(Lab, one), reports)

    def invoke(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        ended = self.operator.invoke(*arguments, *QUICK, COLUMNS="300", **self.one.variables)
        return ended.status, ended.output

    def write(self, name: str, text: str) -> None:
        (self.one.directory / name).write_text(text)

    def up(self, *arguments: str, **changed: str) -> None:
        self.one.compose("up", "-d", "--wait", "--timeout", "1", *arguments, **changed)
