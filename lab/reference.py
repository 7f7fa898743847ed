"""One reference deployment: start it, deploy to it, load it, break it and remove it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import docker
import pymongo
import yaml
from docker.models.containers import Container

from lab.images import LabError, ensure_images, remove_one_by_one, run
from rollback_gate.platform.replica import parse_inspect

HERE = Path(__file__).parent
RELEASES: dict[str, tuple[str, ...]] = {
    "before": ("common", "before"),
    "phase1": ("phase1",),
    "phase1-broken": ("phase1", "phase1-broken"),
}
VARIANTS = ("bind", "build", "single", "image")
MANNERS = ("true", "tame")  # as the real worker; or every document behaves as a first one
PACES = {"real": 1.0, "quick": 0.05}  # every wait and time limit of the lab is multiplied by this
DEFAULT_PROJECT = "rollback-gate-lab"
WORKER, COORDINATOR = "enrichment-worker", "enrichment-coordinator"
SERVICES = (WORKER, COORDINATOR, "mongodb", "nsqd", "mcp-server")
ORCHESTRATOR = Path("enrichment_service/workers/agent_orchestrator.py")
PROJECT_LABEL = "rollback-gate.lab.project"  # on every image that a lab builds, so that `down` finds them all
CONSUMING = b"connection successful"
CONNECTED = b"EnrichmentCoordinator initialized"


def labs_directory() -> Path:
    """Where labs live: outside the project, so that a lab is a deployment like any other."""
    return Path(os.environ.get("ROLLBACK_GATE_LAB_DIRECTORY", "/var/tmp/rollback-gate-lab"))


def default_compose() -> str:
    """This environment's Compose v5 binary, or else the one on the PATH."""
    own = Path(sys.executable).parent / "docker-compose"
    return str(own) if own.exists() else shutil.which("docker-compose") or "docker-compose"


def refuse_unknown(**choices: tuple[str, Sequence[str]]) -> None:
    """Raises LabError unless each value is one of those that are known."""
    for name, (value, known) in choices.items():
        if value not in known:
            raise LabError(f"there is no {name} '{value}': choose one of {', '.join(known)}")


@dataclass(frozen=True)
class Nature:
    """How a lab behaves. `grace`: how long a worker, which ignores SIGTERM, may take to stop.

    `first_document` of a process: quick, slow (waits out one time limit and is delivered twice) or any (by chance, as
    on the real system). A test sets the one that it needs.
    """

    manner: str = "true"
    pace: str = "quick"
    first_document: str = "quick"
    grace: str = "1s"


@dataclass(frozen=True)
class Lab:
    """A deployment in `directory`. All state is on disk and in Docker, so any process can open it."""

    project: str
    directory: Path

    @classmethod
    def open(cls, project: str = DEFAULT_PROJECT) -> Lab:
        """Open a lab that is up. Raises LabError if there is none of this name."""
        lab = cls(project, labs_directory() / project)
        if not lab._settings_file.exists():
            raise LabError(f"no lab '{project}' is up: invoke lab.up")
        return lab

    @classmethod
    def unused(cls, project: str) -> Self:
        """One that is not up. Raises LabError if it is."""
        lab = cls(project, labs_directory() / project)
        if lab._settings_file.exists():
            raise LabError(f"lab '{project}' is up already: invoke lab.down --project {project}")
        return lab

    @classmethod
    def up(
        cls,
        variant: str,
        release: str = "before",
        project: str = DEFAULT_PROJECT,
        compose: str = "",
        nature: Nature = Nature(),
    ) -> Lab:
        """Start a lab of this variant, consuming; a release other than `before` is then deployed as the team does."""
        refuse_unknown(
            variant=(variant, VARIANTS),
            release=(release, tuple(RELEASES)),
            manner=(nature.manner, MANNERS),
            pace=(nature.pace, tuple(PACES)),
        )
        lab = cls.unused(project)
        ensure_images(lab.engine)
        lab._write_project(variant, compose or default_compose(), nature)
        lab.build_image()
        lab.compose("up", "-d", "--no-build")
        lab.wait_consuming()
        if any(c.attrs["RestartCount"] for name in (WORKER, COORDINATOR) for c in lab.containers(name)):
            lab.recreate(WORKER, COORDINATOR)  # they were quicker than their database: a restart that nobody meant
            lab.wait_consuming()
        if release != "before":
            lab.deploy(release)
        return lab

    def deploy(self, release: str = "phase1") -> None:
        """Deploy as the deployment guide does: timestamped backup, new files, rebuild, recreate."""
        self.back_up()
        self.put_files(release)
        if self.variant != "bind":
            self.build_image()
        self.recreate(WORKER, COORDINATOR)
        if release == "phase1-broken":
            self.wait(lambda: all(c.attrs["RestartCount"] > 1 for c in self.containers(WORKER)), "the crash loop")
        else:
            self.wait_consuming()

    def back_up(self) -> None:
        stamp = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")  # noqa: DTZ005 - as the guide's `date`
        orchestrator = self.directory / ORCHESTRATOR
        shutil.copy(orchestrator, orchestrator.with_name(f"{orchestrator.name}.backup.{stamp}"))

    def heal(self, release: str = "before") -> None:
        """Undo any break: this release's files, every service running, no documents, an empty queue."""
        self._remove_strays()
        for service in (WORKER, COORDINATOR):
            for container in self.containers(service):
                if container.status == "paused":
                    container.unpause()
        for name in ("enrichment_service", "stray", "tests"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.put_files("before")
        self.put_files(release)
        (self.directory / "docker-compose.yml").write_text(compose_file(self.variant))
        (self.directory / "docker-compose.override.yml").unlink(missing_ok=True)
        self.set("LAB_FIRST_DOCUMENT", self.settings["LAB_FIRST_DOCUMENT_AT_UP"])
        if self.variant != "bind":
            self.build_image()
        self._side_services_back()
        self.recreate(WORKER, COORDINATOR)
        self.wait_consuming()

    def _side_services_back(self) -> None:
        """Database, queue and upstream as new."""
        for container in self.containers("nsqd"):
            container.restart(timeout=0)  # it ignores SIGTERM, as the first process of a container
        others = ("mongodb", "nsqd", "mcp-server")
        if any([c.status for c in self.containers(name)] != ["running"] for name in others):  # else nothing to do
            self.compose("up", "-d", "--no-build", "--no-recreate", *others)
        self.mcp("envelope")
        self._empty_database()

    def set(self, key: str, value: str) -> None:
        """Change a setting of the lab's Compose file; it takes effect at the next recreate."""
        settings = self.settings | {key: value}
        self._settings_file.write_text("".join(f"{name}={text}\n" for name, text in settings.items()))

    def forget_snapshots(self) -> None:
        for folder in self.directory.glob(".rollback/*/snapshots"):
            shutil.rmtree(folder)

    def _remove_strays(self) -> None:
        """Remove this lab's containers of another project, of a service that it does not have, or beside a service."""
        for left in self.engine.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={self.project}"}):
            is_ours = left.labels.get("com.docker.compose.project") == self.project
            is_one_off = left.labels.get("com.docker.compose.oneoff") == "True"
            if not is_ours or is_one_off or left.labels.get("com.docker.compose.service") not in SERVICES:
                left.remove(force=True)

    def _empty_database(self) -> None:
        admin = self._mongo.admin
        self.wait(lambda: bool(admin.command("ping")["ok"]), "mongod")
        if admin.command("currentOp").get("fsyncLock"):
            admin.command("fsyncUnlock")
        for name in self.database.list_collection_names():
            self.database[name].delete_many({})

    def put_files(self, release: str) -> None:
        for layer in RELEASES[release]:
            source = HERE / "releases" / layer
            shutil.copytree(source, self.directory, dirs_exist_ok=True, copy_function=shutil.copyfile)  # mtime is now

    def recreate(self, *services: str) -> None:
        self.compose("up", "-d", "--no-deps", "--no-build", "--force-recreate", *services)

    def down(self) -> None:
        """Remove everything of this lab: containers, network, worker image, files."""
        self.close()  # before the database stops: a client would wait to end its sessions
        self._compose_down()
        label = f"{PROJECT_LABEL}={self.project}"
        for left in self.engine.containers.list(all=True, filters={"label": label}):  # from failed builds
            left.remove(force=True)
        for image in self.engine.images.list(filters={"label": label}):  # also images kept by rollbacks and snapshots
            self.engine.images.remove(str(image.id), force=True)
        self.engine.images.prune({"dangling": True, "label": label})
        shutil.rmtree(self.directory)
        self.close()

    def _compose_down(self) -> None:
        """Retry until it succeeds: Compose v1 can find a network held by a container that it has just removed.

        Only the network may remain: the engine's fault is not under test.
        """
        refused: list[LabError] = []

        def is_down() -> bool:
            try:
                remove_one_by_one(self.engine, self.project)
                self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
            except LabError as error:
                refused[:] = [error]
                return False
            return True

        try:
            self.wait(is_down, "compose down", 30)
        except LabError as error:
            # Docker 20.10 can keep an endpoint whose container is gone; an engine restart then removes the network.
            ours = f"com.docker.compose.project={self.project}"
            is_gone = not self.engine.containers.list(all=True, filters={"label": ours})
            if not (is_gone and "has active endpoints" in str(refused[-1])):
                raise refused[-1] from error

    # --- what goes in and what comes out

    def load(self, count: int, prefix: str = "letter", wait_s: float = 60) -> list[str]:
        """Send documents through the queue and wait until all are saved; returns their ids."""
        stamp = secrets.token_hex(3)
        ids = [f"{prefix}-{stamp}-{number}.jpg" for number in range(count)]
        self.publish(*ids)
        documents = self.database.enriched_documents
        self.wait(lambda: documents.count_documents({"_id": {"$in": ids}}) == count, f"{count} documents", wait_s)
        return ids

    def publish(self, *document_ids: str) -> None:
        """Publish documents together, so that each ready consumer gets one."""
        text = "S.N. Goenka\nVipassana International Academy\n15th March 1985\nDear Friend, ..."
        ocr = {"text": text, "full_text": text, "detected_language": "en", "confidence": 0.9}
        common = {"enrichment_job_id": "enrich_lab", "ocr_data": ocr}
        self.send(*({"task_id": f"task_enrich_lab_{i}", "document_id": i, **common} for i in document_ids))

    def send(self, *tasks: dict[str, Any]) -> None:
        url = f"http://{self.host}:{self.settings['LAB_QUEUE_PORT']}/mpub?topic=enrichment"
        body = "\n".join(json.dumps(task) for task in tasks)
        urllib.request.urlopen(url, data=body.encode(), timeout=5).close()

    def mcp(self, mode: str) -> None:
        """Switch what the running MCP server answers (services/mcp_server.py describes the modes)."""
        server = self.containers("mcp-server")[0]
        server.exec_run(["sh", "-c", f"echo {mode} > /run/mcp-mode"])

    @property
    def host(self) -> str:
        """Where its database and queue answer."""
        return "127.0.0.1"

    @functools.cached_property
    def engine(self) -> docker.DockerClient:
        return docker.from_env()

    @functools.cached_property
    def database(self) -> Any:
        return self._mongo["gvpocr"]

    @functools.cached_property
    def _mongo(self) -> Any:
        return pymongo.MongoClient(
            self.host,
            int(self.settings["LAB_MONGO_PORT"]),
            username="gvpocr_admin",
            password=self.settings["LAB_MONGO_PASSWORD"],
            authSource="admin",
            timeoutMS=5000,
        )

    def close(self) -> None:
        """Close the connections that this object opened; the lab keeps running."""
        for name in ("engine", "_mongo"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        self.__dict__.pop("database", None)

    def containers(self, service: str) -> list[Container]:
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found: list[Container] = self.engine.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda c: str(c.name))

    # --- waiting and commands

    def wait_consuming(self) -> None:
        """Wait until the workers consume and the coordinator is connected: unconnected, it dies with the database."""

        def has_said(container: Container, text: bytes) -> bool:
            # Not from StartedAt on: a busy engine notes the start after it has taken the first lines.
            process = parse_inspect(container.attrs)
            log = container.logs(since=process.logs_since.epoch_s) if process.logs_since else b""
            return container.status == "running" and text in log

        self.wait(lambda: all(has_said(c, CONSUMING) for c in self.containers(WORKER)), "the workers to consume")
        self.wait(lambda: all(has_said(c, CONNECTED) for c in self.containers(COORDINATOR)), "the coordinator")

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout_s:.0f} s for {what} in vain; see docker ps and docker logs")
            time.sleep(0.1)

    def compose(self, *arguments: str) -> None:
        command: Sequence[str] = (self.settings["LAB_COMPOSE"], "-p", self.project, *arguments)
        run(command, self.directory)

    @property
    def settings(self) -> dict[str, str]:
        lines = self._settings_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line)

    @property
    def variant(self) -> str:
        return self.settings["LAB_VARIANT"]

    @property
    def profile(self) -> Path:
        return self.directory / "profile.toml"

    @property
    def _settings_file(self) -> Path:
        return self.directory / ".env"

    # --- files of the project

    def _write_project(self, variant: str, compose: str, nature: Nature) -> None:
        self.directory.mkdir(parents=True)
        password = f"p@ss/{secrets.token_hex(6)}"
        ports = dict(zip(("LAB_MONGO_PORT", "LAB_QUEUE_PORT", "LAB_MCP_PORT"), _free_ports(3), strict=True))
        settings = {
            "LAB_PROJECT": self.project,
            "LAB_VARIANT": variant,
            "LAB_COMPOSE": compose,
            "LAB_GRACE": nature.grace,
            "LAB_MANNER": nature.manner,
            "LAB_PACE": nature.pace,
            "LAB_TIME_SCALE": str(PACES[nature.pace]),
            "LAB_FIRST_DOCUMENT": nature.first_document,
            "LAB_FIRST_DOCUMENT_AT_UP": nature.first_document,
            "LAB_NAME_PREFIX": "" if self.project == DEFAULT_PROJECT else f"{self.project}-",
            "LAB_MONGO_PASSWORD": password,
            "LAB_MONGO_PASSWORD_QUOTED": urllib.parse.quote_plus(password),
            **ports,
        }
        self._settings_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self._settings_file.chmod(0o600)
        (self.directory / "docker-compose.yml").write_text(compose_file(variant))
        dockerfile = (HERE / "images" / "worker.Dockerfile").read_text()
        (self.directory / "Dockerfile").write_text(f"{dockerfile}LABEL {PROJECT_LABEL}={self.project}\n")
        self.put_files("before")
        (self.directory / "mongodb-password").write_text(password)
        (self.directory / "mongodb-password").chmod(0o600)
        self.profile.write_text(profile_text(self.directory, self.project, variant, ports, PACES[nature.pace]))

    def build_image(self) -> None:
        """Build with Compose where the service can be built; else as a delivered image, with a tag of its own."""
        if self.variant in ("build", "single"):
            self.compose("build", WORKER)
            return
        name = f"{self.project}-{WORKER}"
        image, _ = self.engine.images.build(path=str(self.directory), tag=name, rm=True)
        image.tag(name, f"delivery-{image.short_id.removeprefix('sha256:')}")


def compose_file(variant: str) -> str:
    """The Compose file of a variant: common.yml with the variant's keys laid over it."""
    common = yaml.safe_load((HERE / "compose" / "common.yml").read_text())
    overlay = yaml.safe_load((HERE / "compose" / f"{variant}.yml").read_text())
    for name, service in overlay["services"].items():
        common["services"][name].update(service)
    del common["x-service"]
    return yaml.safe_dump(common, sort_keys=False)


def profile_text(directory: Path, project: str, variant: str, ports: dict[str, str], scale: float) -> str:
    """The lab's profile: Phase 1's, with this deployment's addresses and its pace's time limits."""
    phase1 = HERE.parent / "profiles" / "phase1.toml"
    return f"""format = 3
extends = "{phase1}"

[deployment]
project_directory = "{directory}"
project = "{project}"

[services.enrichment-worker]
replicas = {1 if variant == "single" else 2}

[queue]
address = "127.0.0.1:{ports["LAB_QUEUE_PORT"]}"
message_timeout_s = {60 * scale}

[database]
address = "127.0.0.1:{ports["LAB_MONGO_PORT"]}"
password_file = "{directory}/mongodb-password"

[upstream]
address = "127.0.0.1:{ports["LAB_MCP_PORT"]}"
answer_s = 2

[known.hang]
limit_s = {300 * scale}

[limits]
start_s = 20
soak_s = {60 * scale}
health_s = 15
probe_s = {400 * scale}
sample_wait_s = {20 * scale}
"""


def _free_ports(count: int) -> list[str]:
    """Ports below the ephemeral range: no connection may take the port of a stopped server."""
    found: set[str] = set()
    while len(found) < count:
        port = 15_000 + secrets.randbelow(17_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(str(port))
    return list(found)
