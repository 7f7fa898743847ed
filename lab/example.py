"""Another team's deployment from examples/, brought up as that team would, with images of the lab."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from lab.images import BASE, STACK, ensure_images, ensure_stack, remove_one_by_one, run
from lab.operator import ROOT
from lab.reference import default_compose


@dataclass(frozen=True)
class Example:
    """`directory`: a copy of it; `profile`: the team's own, where it runs being this copy; `variables`: of its files.

    `settings`: further ones of the profile, as lines of TOML, such as the addresses where it runs here.
    """

    directory: Path
    project: str
    variables: Mapping[str, str]
    settings: str = ""

    @property
    def profile(self) -> Path:
        return self.directory / "here.toml"

    def compose(self, *arguments: str, **changed: str) -> None:
        """Raises LabError."""
        self.run(default_compose(), "-p", self.project, *arguments, **changed)

    def build(self, image: str, **arguments: str) -> None:
        """Builds its Dockerfile. Raises LabError."""
        given = (part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}"))
        self.run("docker", "build", "-q", "-t", image, *given, ".")

    def run(self, *command: str, **changed: str) -> str:
        """What a command of the team prints, called in its folder. Raises LabError."""
        return run(command, self.directory, {**os.environ, **self.variables, **changed})

    def write_profile(self) -> None:
        where = f'project_directory = "{self.directory}"\nproject = "{self.project}"\n'
        self.profile.write_text(f'extends = "profile.toml"\n{self.settings}\n[deployment]\n{where}')


@contextmanager
def running(example: Example, prepare: Callable[[Example], None] = lambda _: None) -> Iterator[Example]:
    """A copy of the example of its folder's name. `prepare`: called before it is brought up."""
    with contextlib.closing(docker.from_env()) as client:
        ensure_images(client)
        if STACK in example.variables.values():
            ensure_stack(client)
    shutil.copytree(ROOT / "examples" / example.directory.name, example.directory)
    example.write_profile()
    prepare(example)
    try:
        example.compose("up", "-d", "--wait", "--build")  # an image of an earlier run may be here
        yield example
    finally:
        with contextlib.closing(docker.from_env()) as client:
            remove_one_by_one(client, example.project)
        example.compose("down", "--volumes", "--rmi", "local", "--timeout", "1")


def api(folder: Path, project: str, port: int) -> Example:
    variables = {"API_IMAGE": f"{BASE}:latest", "API_PORT": str(port)}
    return Example(folder / "api", project, variables, f'request.url = "http://127.0.0.1:{port}/"')


def thumbnails(folder: Path, project: str, ports: tuple[int, int]) -> Example:
    """`ports`: of Redis and PostgreSQL."""
    redis, postgresql = ports
    variables = {
        "STACK_IMAGE": STACK,
        "REDIS_PORT": str(redis),
        "POSTGRES_PORT": str(postgresql),
        "ROLLBACK_GATE_DATABASE_PASSWORD": "not-a-secret",
    }
    settings = f'queue.address = "127.0.0.1:{redis}"\ndatabase.address = "127.0.0.1:{postgresql}"'
    return Example(folder / "thumbnails", project, variables, settings)


def with_two_versions(example: Example) -> None:
    """Both images of the worker: the old one, and the change's."""
    example.build("thumbnails/worker:1.2", STACK_IMAGE=STACK)
    example.build("thumbnails/worker:1.3", STACK_IMAGE=STACK, PASSES="3")


def receipts(folder: Path, project: str, ports: tuple[int, int]) -> Example:
    """`ports`: of RabbitMQ's management and PostgreSQL."""
    rabbitmq, postgresql = ports
    variables = {
        "STACK_IMAGE": STACK,
        "RABBITMQ_PORT": str(rabbitmq),
        "POSTGRES_PORT": str(postgresql),
        "RECEIPTS_PROJECT": project,
        "ROLLBACK_GATE_DATABASE_PASSWORD": "not-a-secret",
        "ROLLBACK_GATE_QUEUE_PASSWORD": "guest",
    }
    settings = f'queue.address = "127.0.0.1:{rabbitmq}"\ndatabase.address = "127.0.0.1:{postgresql}"'
    return Example(folder / "receipts", project, variables, settings)
