"""The Docker Engine that the command line would talk to: DOCKER_HOST, else the current context."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound

from rollback_gate.errors import CommandFailed, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform import tunnel
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.replica import ONEOFF_LABEL, PROJECT_LABEL, SERVICE_LABEL, Replica, parse_inspect
from rollback_gate.platform.tunnel import Tunnel
from rollback_gate.redaction import cut

ANSWER_S = 15
_HANDSHAKE_S = 5
BY_ADDRESS = "at "
_WAY = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
REMEDY = "start it (systemctl start docker), or set DOCKER_HOST or `docker context use`"


@dataclass(frozen=True)
class Engine:
    """A connected engine. `environment` makes docker and docker-compose talk to this same one.

    `tunnel`: by which it is reached, if that is ssh.
    """

    client: docker.DockerClient
    host: str
    id: str
    environment: Mapping[str, str]
    tunnel: Tunnel | None = None

    @property
    def is_local(self) -> bool:
        """True if its paths are this machine's, judged by its address."""
        return self.host.startswith("unix://")

    @property
    def as_words(self) -> tuple[str, ...]:
        """Arguments of `env` that make the docker command talk to this engine, whatever it would talk to otherwise."""
        own = {name: self.environment[name] for name in _WAY if self.environment.get(name)}
        unset = (word for name in (*_WAY, "DOCKER_CONTEXT") if name not in own for word in ("-u", name))
        return (*unset, *(f"{name}={value}" for name, value in own.items()))

    @property
    def main(self) -> Engine:
        """Itself."""
        return self

    def of(self, _: Replica) -> Engine:
        """Itself: it is the only one of the deployment."""
        return self

    def of_service(self, project: str, service: str) -> list[Replica]:
        """Containers of one of Compose's services. Raises Unreachable."""
        return self.labelled(f"containers of {service}", *_services_of(project), f"{SERVICE_LABEL}={service}")

    def of_project(self, project: str) -> list[Replica]:
        """Containers of all of Compose's services, except those of `docker compose run`. Raises Unreachable."""
        return self.labelled(f"containers of project {project}", *_services_of(project))

    def one_offs(self, project: str) -> list[Replica]:
        """Containers of `docker compose run`. Raises Unreachable."""
        labels = (f"{PROJECT_LABEL}={project}", f"{ONEOFF_LABEL}=True")
        return self.labelled(f"one-off containers of project {project}", *labels)

    def unseen(self, *_: str) -> list[Unmeasured]:
        """None: there is no other place where a container could be."""
        return []

    def unseen_services(self, _: str) -> dict[str, Unmeasured]:
        """None."""
        return {}

    def places(self, *_: str) -> list[str]:
        """None but this one."""
        return []

    def others(self, project: str, listed: Iterable[str]) -> dict[str, str]:
        """The ids of their containers."""
        names = set(listed)
        return {one.name: one.id for one in self.of_project(project) if one.service not in names}

    def why_ended(self, *_: object) -> str:
        """Who has ended it, it does not know."""
        return ""

    def everywhere(self) -> tuple[Engine]:
        """Itself."""
        return (self,)

    def stands(self, *_: object) -> None:
        """Nothing that is not in the containers themselves."""

    def labelled(self, what: str, *labels: str) -> list[Replica]:
        """All containers with these labels, running or not; `what` names them in messages. Raises Unreachable."""
        return [replica for replica, _ in self.with_labels(what, *labels)]

    def with_labels(self, what: str, *labels: str) -> list[tuple[Replica, Mapping[str, str]]]:
        """The same, each with all its labels."""
        with answering(what):
            rows = self.client.api.containers(all=True, filters={"label": list(labels)})
            found = [(self.inspect(row["Id"]), row.get("Labels") or {}) for row in rows]
        return [(replica, its) for replica, its in found if replica is not None]

    def values_of(self, label: str) -> dict[str, str]:
        """The value of a label by container id, for all containers that have it. Raises Unreachable."""
        with answering(f"containers with {label}"):
            rows = self.client.api.containers(all=True, filters={"label": [label]})
        return {row["Id"]: row["Labels"][label] for row in rows}

    def inspect(self, container_id: str) -> Replica | None:
        """One container; None if it no longer exists. Raises Unreachable."""
        with answering(f"container {container_id[:12]}"):
            try:
                return parse_inspect(self.client.api.inspect_container(container_id))
            except NotFound:
                return None

    def raw(self, container_id: str) -> Mapping[str, Any]:
        """The full `inspect` output of a container, including secrets in its environment. Raises Unreachable."""
        with answering(f"container {container_id[:12]}"):
            found: Mapping[str, Any] = self.client.api.inspect_container(container_id)
            return found

    def now(self) -> Instant:
        """The engine's clock, not this machine's. Raises Unreachable."""
        with answering("the engine's time"):
            return Instant.parse(self.client.api.info()["SystemTime"])

    def close(self) -> None:
        self.client.close()
        if self.tunnel:
            self.tunnel.close()

    def image_config(self, image_id: str) -> Mapping[str, Any] | None:
        """The image's defaults for its containers; None if the image does not exist. Raises Unreachable."""
        with answering(f"image {image_id[:19]}"):
            try:
                found: Mapping[str, Any] = self.client.api.inspect_image(image_id)  # type: ignore[no-untyped-call]
                return found.get("Config") or {}
            except NotFound:
                return None

    def image_id(self, name: str) -> str | None:
        """The id that this image name points to now; None if there is no such image. Raises Unreachable."""
        with answering(f"image {name}"):
            try:
                return str(self.client.api.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
            except NotFound:
                return None


def _services_of(project: str) -> tuple[str, str]:
    return f"{PROJECT_LABEL}={project}", f"{ONEOFF_LABEL}=False"


def connect(environ: Mapping[str, str]) -> Engine:
    """Connect to the engine. Raises Unreachable, naming the endpoint and what to do."""
    environment = {**environ, "DOCKER_HOST": endpoint(environ)}
    host = environment["DOCKER_HOST"]
    with contextlib.ExitStack() as undo:
        way = tunnel.opened(host, environ) if host.startswith(tunnel.SCHEME) else None
        if way:
            undo.callback(way.close)
        try:
            _refuse_silence(host)
            client = docker.DockerClient.from_env(environment=_for_sdk(environment, way), timeout=ANSWER_S)
            known_as = lasting_id(client, host)
        except (DockerException, requests.RequestException, OSError) as error:
            besides = f" (ssh: {way.says})" if way and way.says else ""
            remedy = tunnel.REMEDY if way else REMEDY
            raise Unreachable(f"no Docker Engine answers at {host}: {_cause(error)}{besides}", remedy) from error
        undo.pop_all()
    return Engine(client, host, known_as, environment, way)


def _for_sdk(environment: Mapping[str, str], way: Tunnel | None) -> Mapping[str, str]:
    return {"DOCKER_HOST": way.address} if way else environment


def _refuse_silence(host: str) -> None:
    """The SDK would wait ANSWER_S for a machine that is not there, in each process anew. Raises OSError."""
    parts = urlsplit(host)
    if parts.scheme == "tcp" and parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=_HANDSHAKE_S).close()


def lasting_id(client: docker.DockerClient, host: str) -> str:
    """The engine's own id, or its address if that id is not stable: Podman returns a different one each time."""
    first, second = (str(client.info().get("ID") or "") for _ in range(2))
    return first if first and first == second else f"{BY_ADDRESS}{host}"


def endpoint(environ: Mapping[str, str]) -> str:
    """The address of the command line's engine. Raises Unreachable if the context cannot be read."""
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
    """ "" if the docker command talks to this engine; else which one it talks to. Raises Unreachable.

    Compares engine ids or, if the id is not stable, asks the command for one of the containers.
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
    """Turns the SDK's errors (no answer, or a refusal) into Unreachable."""
    try:
        yield
    except APIError as error:
        says = cut(" ".join(str(error.explanation or error).split()), 300)
        raise Unreachable(f"the engine refused {what}: {says}", "fix what it names, then try again") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise Unreachable(f"the engine did not answer for {what}: {_cause(error)}", REMEDY) from error


def _cause(error: BaseException) -> str:
    return cut(str(error), 300)
