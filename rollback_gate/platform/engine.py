"""The Docker Engine that the command line would talk to: DOCKER_HOST, else the current context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound

from rollback_gate.errors import CommandFailed, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.replica import Replica, parse_inspect
from rollback_gate.redaction import cut

ANSWER_S = 15
BY_ADDRESS = "at "
REMEDY = "start it (systemctl start docker), or set DOCKER_HOST or `docker context use`"


@dataclass(frozen=True)
class Engine:
    """A connected engine. `environment` makes docker and docker-compose talk to this same one."""

    client: docker.DockerClient
    host: str
    id: str
    environment: Mapping[str, str]

    @property
    def is_local(self) -> bool:
        """Its paths are this machine's, as far as its address tells."""
        return self.host.startswith("unix://")

    def labelled(self, what: str, *labels: str) -> list[Replica]:
        """All containers with these labels, running or not; `what` they are, for messages. Raises Unreachable."""
        with answering(what):
            rows = self.client.api.containers(all=True, filters={"label": list(labels)})
            found = [self.inspect(row["Id"]) for row in rows]
        return [replica for replica in found if replica is not None]

    def inspect(self, container_id: str) -> Replica | None:
        """One container; None when it no longer exists. Raises Unreachable."""
        with answering(f"container {container_id[:12]}"):
            try:
                return parse_inspect(self.client.api.inspect_container(container_id))
            except NotFound:
                return None

    def raw(self, container_id: str) -> Mapping[str, Any]:
        """Everything that the engine says of a container: secrets of its environment too. Raises Unreachable."""
        with answering(f"container {container_id[:12]}"):
            found: Mapping[str, Any] = self.client.api.inspect_container(container_id)
            return found

    def now(self) -> Instant:
        """The engine's clock, not this machine's. Raises Unreachable."""
        with answering("the engine's time"):
            return Instant.parse(self.client.api.info()["SystemTime"])

    def close(self) -> None:
        self.client.close()

    def image_config(self, image_id: str) -> Mapping[str, Any] | None:
        """What its containers have unless somebody says otherwise; None when it does not exist. Raises Unreachable."""
        with answering(f"image {image_id[:19]}"):
            try:
                found: Mapping[str, Any] = self.client.api.inspect_image(image_id)  # type: ignore[no-untyped-call]
                return found.get("Config") or {}
            except NotFound:
                return None

    def image_id(self, name: str) -> str | None:
        """What this image name points to now; None when there is no such image. Raises Unreachable."""
        with answering(f"image {name}"):
            try:
                return str(self.client.api.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
            except NotFound:
                return None


def connect(environ: Mapping[str, str]) -> Engine:
    """Raises Unreachable, naming the endpoint and what to do."""
    environment = {**environ, "DOCKER_HOST": endpoint(environ)}
    host = environment["DOCKER_HOST"]
    try:
        client = docker.DockerClient.from_env(environment=environment, timeout=ANSWER_S, use_ssh_client=True)
        known_as = lasting_id(client, host)
    except (DockerException, requests.RequestException, OSError) as error:
        raise Unreachable(f"no Docker Engine answers at {host}: {_cause(error)}", REMEDY) from error
    return Engine(client, host, known_as, environment)


def lasting_id(client: docker.DockerClient, host: str) -> str:
    """The engine's own id; Podman answers each question with another one: then it is known by its address."""
    first, second = (str(client.info().get("ID") or "") for _ in range(2))
    return first if first and first == second else f"{BY_ADDRESS}{host}"


def endpoint(environ: Mapping[str, str]) -> str:
    """Where the command line's engine is. Raises Unreachable when the context cannot be read."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    try:
        context = ContextAPI.get_context(environ.get("DOCKER_CONTEXT") or None)
    except (DockerException, OSError, ValueError) as error:
        raise Unreachable(f"the Docker context cannot be read: {error}", REMEDY) from error
    if context is None:
        raise Unreachable(f"there is no Docker context {environ.get('DOCKER_CONTEXT')}", REMEDY)
    return str(context.Host)


def is_command_line_of(engine: Engine, runner: Runner, container_id: str) -> str:
    """ "" where the docker command talks to this engine; else to which. Raises Unreachable.

    By the engine's id; where that does not last, by whether it knows one of the containers.
    """
    by_address = engine.id.startswith(BY_ADDRESS)
    question = ("inspect", "--format", "{{.Id}}", container_id) if by_address else ("info", "--format", "{{.ID}}")
    try:
        answer = runner(("docker", *question), timeout_s=ANSWER_S).stdout.strip()
    except CommandFailed as error:
        if by_address:
            return "one that does not know the project's containers"
        raise Unreachable(error.message, "install the docker command line (Debian: docker.io)") from error
    return "" if answer == (container_id if by_address else engine.id) else answer


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turns what the SDK raises when the engine does not answer, or refuses, into Unreachable."""
    try:
        yield
    except APIError as error:
        says = cut(" ".join(str(error.explanation or error).split()), 300)
        raise Unreachable(f"the engine refused {what}: {says}", "fix what it names, then try again") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise Unreachable(f"the engine did not answer for {what}: {_cause(error)}", REMEDY) from error


def _cause(error: BaseException) -> str:
    return cut(str(error), 300)
