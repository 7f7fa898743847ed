"""The reference deployment as a stack: workers on the nodes of a Swarm, database and queue on the main server.

As the team's own stack: an image by its tag, addresses of the main server in the environment, and no configuration of
updates. What a Swarm of the lab is made of is in nodes.py; everything else is the lab's.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container

from lab import nodes
from lab.images import LabError, ensure_images, run
from lab.nodes import LabNode
from lab.reference import (
    CONNECTED,
    CONSUMING,
    COORDINATOR,
    DEFAULT_PROJECT,
    HERE,
    PROJECT_LABEL,
    RELEASES,
    WORKER,
    Lab,
    Nature,
    default_compose,
    labs_directory,
    profile_text,
    refuse_unknown,
)

MAIN = "10.213.0.1"  # the machine itself, as the nodes see it
STACKS = {
    "stack": "image",
    "stack-bind": "bind",
    "stack-shared": "shared",
}  # variants of the catalogue, and how they have their code
STACK_FILE = "docker-stack.yml"
REPLICAS = 3
_SIDE = ("mongodb", "nsqd", "mcp-server")
_PORTS = {"mongodb": ("LAB_MONGO_PORT", 27017), "nsqd": ("LAB_QUEUE_PORT", 4151), "mcp-server": ("LAB_MCP_PORT", 3003)}
_TCP = 4150


class Stack(Lab):
    """A lab whose services run as a stack. Their code is in the image; `bind`: in a folder of each node; `shared`: in
    the project's folder, which every node has, as by sshfs.
    """

    @classmethod
    def begun(
        cls,
        variant: str = "image",
        release: str = "before",
        project: str = DEFAULT_PROJECT,
        count: int = 3,
        nature: Nature = Nature(),
    ) -> Stack:
        """Start nodes and a stack on them, consuming; then deploy the release. Raises LabError."""
        refuse_unknown(variant=(variant, tuple(STACKS.values())), release=(release, tuple(RELEASES)))
        lab = cls.unused(project)
        ensure_images(lab.engine)
        if not any(map(_is_stack, labs_directory().glob("*"))):
            nodes.down()  # left by a lab that was killed
        lab._write_project(variant, default_compose(), nature)
        lab.set("LAB_NODES", str(count))
        try:
            nodes.swarm(nodes.up(count, lab.wait))
            lab.compose("up", "-d", "--no-build", *_SIDE)
            lab.release("before")
            lab.wait_consuming()
            if release != "before":
                lab.deploy(release)
        except BaseException:
            lab.down()
            raise
        return lab

    # --- releases

    def release(self, release: str) -> None:
        """Put its files in place, deliver its image to every node, and deploy the stack."""
        self.deliver(release)
        if self.variant == "bind":
            self.copy_code()
        self.stack_deploy(release)

    def deploy(self, release: str = "phase1") -> None:
        """A new image by its tag, in the stack's file; or new files behind the mount, and every task anew."""
        if self.variant == "shared":
            self.back_up()
        self.release(release)
        if self.variant != "image":
            self.force(WORKER, COORDINATOR)
        self.wait_settled()
        self.wait_consuming()

    def deliver(self, release: str) -> None:
        """Build the image, and load it on every node: there is no registry."""
        name = self.image(release)
        if self.variant != "shared":
            shutil.rmtree(self.directory / "enrichment_service", ignore_errors=True)
            self.put_files("before")
        self.put_files(release)
        image, _ = self.engine.images.build(path=str(self.directory), tag=name, rm=True)
        for node in self.nodes:
            if self._id_on(node, name) != image.id:
                self.load_image(name, node)

    def _id_on(self, node: LabNode, name: str) -> str:
        with contextlib.suppress(ImageNotFound):
            return str(self.clients[node.name].images.get(name).id)
        return ""

    def load_image(self, name: str, node: LabNode) -> None:
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saved:
            done = subprocess.run(
                ["docker", "-H", node.host, "load", "-q"], stdin=saved.stdout, capture_output=True, check=False
            )
        if done.returncode or saved.returncode:
            raise LabError(f"{name} could not be loaded on {node.name}: {done.stderr.decode(errors='replace')}")

    def copy_code(self, *only: LabNode) -> None:
        for node in only or self.nodes:
            run(["cp", "-a", "--no-preserve=timestamps", f"{self.directory}/enrichment_service", str(node.own)])

    def old_files(self) -> None:
        """Put the old release's files in place on every node, and remove what the change has brought."""
        shutil.rmtree(self.directory / "enrichment_service")
        self.put_files("before")
        for node in self.nodes:
            self._replace(node)

    def _replace(self, node: LabNode) -> None:
        """The folder itself stays: containers have it mounted."""
        for path in (node.own / "enrichment_service").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.copy_code(node)

    def image(self, release: str) -> str:
        """One tag for all releases of a `bind` stack: the code is not in it."""
        return f"{self.project}-worker:{release if self.variant == 'image' else 'base'}"

    def everywhere(self) -> None:
        """The worker as a global service: one task on each node."""
        self.ask_manager("service", "rm", f"{self.project}_{WORKER}")
        self.wait(lambda: not self.containers(WORKER), "the workers to end")
        file = self.directory / STACK_FILE
        table = yaml.safe_load(file.read_text())
        deploy = table["services"][WORKER]["deploy"]
        table["services"][WORKER]["deploy"] = {"mode": "global", "endpoint_mode": deploy["endpoint_mode"]}
        file.write_text(yaml.safe_dump(table, sort_keys=False))
        self._deploy_file()
        self.wait_consuming()

    def stack_deploy(self, release: str) -> None:
        (self.directory / STACK_FILE).write_text(stack_file(self.settings, self.image(release), self._mounted))
        self._deploy_file()

    def _deploy_file(self) -> None:
        self.ask_manager(
            "stack", "deploy", "--resolve-image", "never", "-c", str(self.directory / STACK_FILE), self.project
        )

    def heal(self, release: str = "before") -> None:
        """As new: every node there, this release, no documents, an empty queue."""
        self._nodes_back()
        self._side_services_back()
        for service in self.ask_manager("service", "ls", "-q").split():
            self.ask_manager("service", "rm", service)
        self._without_containers()
        self.wait(lambda: not any(self.containers(name) for name in (WORKER, COORDINATOR)), "the services to end")
        for node in self.nodes:
            shutil.rmtree(node.own / "enrichment_service", ignore_errors=True)
        shutil.rmtree(self.directory / "enrichment_service", ignore_errors=True)
        self.put_files("before")
        self.release("before")
        self.wait_consuming()
        if release != "before":
            self.deploy(release)

    def _without_containers(self) -> None:
        """End what is left on the nodes at once: Swarm itself waits three seconds before it stops a task."""
        for client in self.clients.values():
            for container in client.containers.list(all=True):
                with contextlib.suppress(NotFound):  # its node was quicker
                    container.remove(force=True)

    def _nodes_back(self) -> None:
        driver = str(self.engine.info()["Driver"])
        for node in self.nodes:
            node.connect()
            if node.pid is None:
                node.start(driver)

        def are_ready() -> bool:
            rows = self.manager.nodes.list()
            return all(node.answers() for node in self.nodes) and all(
                row.attrs["Status"]["State"] == "ready" for row in rows
            )

        self.wait(are_ready, "the nodes", 90)
        for row in self.manager.nodes.list():
            spec = row.attrs["Spec"]
            if spec["Availability"] != "active" or spec.get("Labels"):
                row.update({**spec, "Availability": "active", "Labels": {}})

    @property
    def _mounted(self) -> str:
        """The folder with the code, as the nodes have it; "" if it is in the image."""
        return {"bind": str(nodes.SHARED), "shared": str(self.directory), "image": ""}[self.variant]

    def force(self, *services: str) -> None:
        for service in services:
            self.ask_manager("service", "update", "--force", "-q", "-d", f"{self.project}_{service}")

    # --- what there is

    @property
    def host(self) -> str:
        return MAIN

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        return nodes.nodes_of(int(self.settings["LAB_NODES"]))

    def ask_manager(self, *arguments: str) -> str:
        """The docker command, at the manager."""
        return run(["docker", "-H", self.nodes[0].host, *arguments])

    @functools.cached_property
    def clients(self) -> dict[str, docker.DockerClient]:
        """An engine's client by the name of its node."""
        return {node.name: node.client() for node in self.nodes}

    def containers(self, service: str) -> list[Container]:
        """Of a service of the stack, on all nodes, running; of the main server's, as in any lab."""
        if service in _SIDE:
            return super().containers(service)
        wanted: dict[str, Any] = {"label": f"com.docker.swarm.service.name={self.project}_{service}"}
        found = [one for client in self.clients.values() for one in client.containers.list(filters=wanted)]
        return sorted(found, key=lambda c: str(c.name))

    def node_of(self, container: Container) -> LabNode:
        wanted = container.labels["com.docker.swarm.node.id"]
        name = next(row.attrs["Description"]["Hostname"] for row in self.manager.nodes.list() if row.id == wanted)
        return next(node for node in self.nodes if node.name == name)

    def tasks(self, service: str) -> list[Any]:
        found: list[Any] = self.manager.api.tasks(  # type: ignore[no-untyped-call]
            filters={"service": f"{self.project}_{service}"}
        )
        return found

    def service(self, name: str) -> Any:
        return self.manager.api.inspect_service(f"{self.project}_{name}")  # type: ignore[no-untyped-call]

    @property
    def manager(self) -> docker.DockerClient:
        return self.clients[self.nodes[0].name]

    def wait_settled(self) -> None:
        """No update under way, and no task besides the wanted ones runs."""

        def is_settled() -> bool:
            for service in (WORKER, COORDINATOR):
                status = self.service(service).get("UpdateStatus") or {}
                others = [t for t in self.tasks(service) if t["DesiredState"] != "running"]
                if status.get("State") == "updating" or any(t["Status"]["State"] == "running" for t in others):
                    return False
            return True

        self.wait(is_settled, "the update", 90)

    def wait_consuming(self) -> None:
        def said(container: Container, text: bytes) -> bool:
            return text in container.logs()

        def are(service: str, count: int, text: bytes) -> bool:
            found = self.containers(service)
            return len(found) == count and all(said(one, text) for one in found)

        self.wait(lambda: are(WORKER, REPLICAS, CONSUMING), "the workers to consume")
        self.wait(lambda: are(COORDINATOR, 1, CONNECTED), "the coordinator")

    def down(self) -> None:
        self.close()
        nodes.down()
        super().down()

    def close(self) -> None:
        for client in self.__dict__.pop("clients", {}).values():
            client.close()
        super().close()

    # --- files

    def _write_project(self, variant: str, compose: str, nature: Nature) -> None:
        super()._write_project("bind", compose, nature)
        for key, value in {"LAB_VARIANT": variant, **{name: str(port) for name, port in _PORTS.values()}}.items():
            self.set(key, value)
        (self.directory / "docker-compose.yml").write_text(_side_file())
        ports = {name: str(port) for name, port in _PORTS.values()}
        text = profile_text(self.directory, self.project, "bind", ports, float(self.settings["LAB_TIME_SCALE"]))
        images = _image_items(self.image("before"), self.image("phase1")) if variant == "image" else ""
        self.profile.write_text(_of_a_stack(text, self.nodes_given()) + images)

    def nodes_given(self) -> Iterator[str]:
        for node in nodes.nodes_of(9):
            yield f'[nodes.{node.name}]\naddress = "{node.host}"\n'


def any_lab(project: str) -> Lab:
    """A lab that is up, of either platform. Raises LabError if there is none of this name."""
    lab = Lab.open(project)
    return Stack(project, lab.directory) if _is_stack(lab.directory) else lab


def _is_stack(directory: Path) -> bool:
    settings = directory / ".env"
    return settings.exists() and "LAB_NODES=" in settings.read_text()


def _of_a_stack(text: str, addresses: Iterator[str]) -> str:
    """The lab's profile, for a stack."""
    swarm = f'[deployment]\nplatform = "swarm"\nfiles = ["{STACK_FILE}"]\n'
    text = text.replace("[deployment]\n", swarm).replace("127.0.0.1:", f"{MAIN}:")
    return text.replace("replicas = 2\n", f"replicas = {REPLICAS}\n") + "\n" + "\n".join(addresses)


def _image_items(old: str, new: str) -> str:
    """Phase 1's items, and the image in the stack's file: a profile's list replaces that of the one it extends."""
    phase1 = (HERE.parent / "profiles" / "phase1.toml").read_text()
    items = phase1[phase1.index("[[change]]") : phase1.index("[partial]")]
    named = (
        f'[[change]]\nkind = "image"\nservices = ["{service}"]\nfile = "{STACK_FILE}"\n'
        f'key = "services.{service}.image"\nnew = "{new}"\nold = "{old}"\n'
        for service in (WORKER, COORDINATOR)
    )
    return "\n" + items + "\n" + "\n".join(named)


def _side_file() -> str:
    """What runs on the main server: database, queue and upstream, at the addresses that the nodes use."""
    common = yaml.safe_load((HERE / "compose" / "common.yml").read_text())
    services = {name: common["services"][name] for name in _SIDE}
    for name, (_, port) in _PORTS.items():
        services[name]["ports"] = [f"{MAIN}:{port}:{port}"]
    services["nsqd"]["ports"].append(f"{MAIN}:{_TCP}:{_TCP}")
    return yaml.safe_dump({"version": "3.8", "services": services}, sort_keys=False)


def stack_file(settings: dict[str, str], image: str, mounted: str) -> str:
    """As the team's own: an image by its tag, the main server's addresses, replicas, and nothing about updates."""
    password = urllib.parse.quote_plus(settings["LAB_MONGO_PASSWORD"])
    environment = {
        "MONGO_URI": f"mongodb://gvpocr_admin:{password}@{MAIN}:27017/gvpocr?authSource=admin",
        "NSQD_HOST": MAIN,
        "MCP_SERVER_URL": f"ws://{MAIN}:3003",
        **{key: settings[key] for key in ("LAB_TIME_SCALE", "LAB_MANNER", "LAB_FIRST_DOCUMENT")},
    }
    service: dict[str, Any] = {
        "image": image,
        "environment": environment,
        "stop_grace_period": settings["LAB_GRACE"],
        "labels": {PROJECT_LABEL: settings["LAB_PROJECT"]},
    }
    if mounted:
        service["volumes"] = [f"{mounted}/enrichment_service:/app/enrichment_service"]
    restart = {
        "restart_policy": {"condition": "on-failure", "delay": "1s"},
        "update_config": {"parallelism": REPLICAS, "monitor": "500ms"},  # the team's has none: one by one, 5 s for each
    }
    worker = {
        **service,
        "command": "python -u -m enrichment_service.workers.enrichment_worker",
        "deploy": {"replicas": REPLICAS, "endpoint_mode": "dnsrr", **restart},
    }
    coordinator = {
        **service,
        "command": "python -u -m enrichment_service.coordinator.enrichment_coordinator",
        "deploy": {"replicas": 1, "endpoint_mode": "dnsrr", **restart},
    }
    return yaml.safe_dump({"version": "3.8", "services": {WORKER: worker, COORDINATOR: coordinator}}, sort_keys=False)
