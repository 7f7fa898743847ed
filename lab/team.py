"""Another team at its deployment from examples/: what the end-to-end tests and the catalogue share of it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_server
from typing import Any, cast

import docker
import requests

from lab import example
from lab.example import Example
from lab.images import LabError
from lab.operator import ROOT, Operator, settings
from lab.reference import Lab

QUICK = ("limits.soak_s=1", "limits.health_s=20", "limits.sample_wait_s=1")

_LISTED_S = 60.0


def free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(int(listener.getsockname()[1]) for listener in listeners)


def consumer_is_listed(one: Example) -> None:
    """RabbitMQ tells its consumers some seconds after its start. Raises LabError if it does not."""
    url = f"http://127.0.0.1:{one.variables['RABBITMQ_PORT']}/api/queues/%2F/receipts"
    deadline = time.monotonic() + _LISTED_S
    while len(requests.get(url, auth=("guest", "guest"), timeout=5).json().get("consumer_details", ())) != 1:
        if time.monotonic() > deadline:
            raise LabError(f"waited {_LISTED_S:.0f} s for RabbitMQ to list its consumer in vain")
        time.sleep(0.2)


class Team:
    """One deployment, and its operator. Of a lab, the operator uses the profile only."""

    def __init__(self, one: Example, reports: Path) -> None:
        self.one = one
        self.operator = Operator(cast(Lab, self), reports, environ={**one.variables, "COLUMNS": "300"}, quick=QUICK)

    @property
    def profile(self) -> Path:
        return self.one.profile

    def invoke(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output."""
        ended = self.operator.invoke(*arguments, *settings(*QUICK))
        return ended.status, ended.output

    def heal(self) -> None:
        """Nothing: `deploy` undoes any break."""

    def write(self, name: str, text: str) -> None:
        (self.one.directory / name).write_text(text)

    def up(self, *arguments: str, **changed: str) -> None:
        self.one.compose("up", "-d", "--wait", "--timeout", "1", *arguments, **changed)


class Api(Team):
    """The API and its worker: the change is a mounted file, and a setting."""

    def answers(self) -> dict[str, str]:
        """What the API has read at its start, and with what its worker was created."""
        ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/').read().decode())"
        found: dict[str, str] = json.loads(self._said("api", ask))
        return found | {"batch": self._said("worker", "import os; print(os.environ['BATCH'])").strip()}

    def _said(self, service: str, script: str) -> str:
        with contextlib.closing(docker.from_env()) as client:
            labels = [f"com.docker.compose.{key}" for key in (f"project={self.one.project}", f"service={service}")]
            (container,) = client.containers.list(filters={"label": labels})
            return str(cast(Any, container).exec_run(["python3", "-c", script]).output.decode())

    def deploy(self) -> None:
        """The change, from whatever is there."""
        (self.one.directory / "compose.override.yaml").unlink(missing_ok=True)
        self.write("app/api.py", (ROOT / "examples/api/app/api.py").read_text())
        self.write("config/settings.ini", (ROOT / "examples/api/config/settings.ini").read_text())
        self.write(".env", "# Read by Compose\nWORKER_BATCH=50\n")
        self.up("--force-recreate", "--remove-orphans")

    def restore(self) -> None:
        """Both files by hand; nothing is restarted."""
        (backup,) = (self.one.directory / "config").glob("*.backup.*")
        self.write("config/settings.ini", backup.read_text())
        self.write(".env", "# Read by Compose\nWORKER_BATCH=20\n")


class Thumbnails(Team):
    """Two replicas of a worker: the change is another tag of their image."""

    OLD, NEW = "thumbnails/worker:1.2", "thumbnails/worker:1.3"

    def tagged(self, tag: str) -> None:
        self.write(".env", f"TAG={tag}\n")

    def containers(self) -> list[str]:
        """Ids of the worker's containers."""
        labels = (f"label=com.docker.compose.project={self.one.project}", "label=com.docker.compose.service=worker")
        filters = (part for label in labels for part in ("--filter", label))
        return self.one.run("docker", "ps", "-q", *filters).split()

    def deploy(self) -> None:
        """The change, from whatever is there; both images as they were built."""
        example.with_two_versions(self.one)
        (self.one.directory / "compose.override.yaml").unlink(missing_ok=True)
        self.tagged("1.3")
        self.up("--remove-orphans")


class Receipts(Team):
    """A worker whose code is in its image, and a migration that stays."""

    def version(self, which: str) -> None:
        """The "old" or the "new" code in the project."""
        name = {"old": "worker.py.backup.20261101_090000", "new": "worker.py"}[which]
        self.write("worker.py", (ROOT / "examples/receipts" / name).read_text())

    def deploy(self) -> None:
        """The change, from whatever is there; its migration, too."""
        self.version("new")
        self.up("--build", "--force-recreate", "worker")
        self.sql("alter table receipts add column if not exists currency text")
        self.listed()

    def sql(self, statement: str) -> None:
        script = f'psql -h 127.0.0.1 -U receipts -qc "{statement}" receipts'
        self.one.compose("exec", "-T", "database", "sh", "-c", script)

    def listed(self) -> None:
        consumer_is_listed(self.one)


TEAMS = ("api", "thumbnails", "receipts")


def example_of(name: str, folder: Path, project: str) -> Example:
    """A copy of the example of this name, on free ports."""
    if name == "api":
        return example.api(folder, project, free_ports(1)[0])
    ports = cast(tuple[int, int], free_ports(2))
    return {"thumbnails": example.thumbnails, "receipts": example.receipts}[name](folder, project, ports)


@contextmanager
def at_work(name: str, folder: Path, project: str) -> Iterator[Any]:
    """The team (Api, Thumbnails, Receipts) of the example of this name, brought up with the change in place."""
    one = example_of(name, folder, project)
    prepare = example.with_two_versions if name == "thumbnails" else lambda _: None
    team = {"api": Api, "thumbnails": Thumbnails, "receipts": Receipts}[name]
    with example.running(one, prepare):
        yield team(one, folder / "reports")
