"""The reference deployment as a stack: workers on the nodes of a Swarm, database and queue on the main server.

As the team's own stack: an image by its tag, addresses of the main server in the environment, and no configuration of
updates. What a Swarm of the lab is made of is in nodes.py; everything else is the lab's.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container

from lab import nodes, registry
from lab.images import LabError, ensure_images, run
from lab.nodes import LabNode
from lab.reference import (
    CONNECTED,
    CONSUMING,
    COORDINATOR,
    DEFAULT_PROJECT,
    RELEASES,
    WORKER,
    Lab,
    Nature,
    default_compose,
    labs_directory,
    profile_text,
    refuse_unknown,
)
from lab.stack_files import MAIN, PORTS, REPLICAS, SIDE, STACK_FILE, image_items, of_a_stack, side_file, stack_file

STACKS = {
    "stack": "image",
    "stack-bind": "bind",
    "stack-shared": "shared",
    "stack-registry": "registry",
}  # variants of the catalogue, and how they have their code


class Stack(Lab):
    """A lab whose services run as a stack. Their code is in the image; `registry`: each release is `:latest` there;
    `bind`: in a folder of each node; `shared`: in the project's folder, which every node has, as by sshfs.
    """

    @classmethod
    def begun(
        cls,
        variant: str = "image",
        release: str = "before",
        project: str = DEFAULT_PROJECT,
        count: int = 3,
        nature: Nature = Nature(grace="0s"),  # Swarm itself waits three seconds before each stop
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
            if variant == "registry":
                registry.ensure(nodes.REGISTRY, lab.wait)
            lab.compose("up", "-d", "--no-build", *SIDE)
            lab.release("before")
            lab._write_image_items()
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
        if self.has_mounted_code:
            self.force(WORKER, COORDINATOR)
        self.wait_settled()
        self.wait_consuming()

    def deliver(self, release: str) -> None:
        """Build the image, and push it; or load it on every node where there is no registry."""
        name = self.image(release)
        if self.variant != "shared":
            shutil.rmtree(self.directory / "enrichment_service", ignore_errors=True)
            self.put_files("before")
        self.put_files(release)
        image = self._built(name)
        if self.variant == "registry":
            self.push(release)
            return
        for node in self.nodes:
            if self._id_on(node, name) != image.id:
                self.load_image(name, node)

    def _built(self, name: str) -> Any:
        """Once: of two images of one content, Docker's cache gives whatever was built last, under another digest."""
        key = f"LAB_BUILT_{name.rpartition(':')[2].upper()}"
        with contextlib.suppress(ImageNotFound):
            if built := self.settings.get(key):
                image = self.engine.images.get(built)
                image.tag(name)
                return image
        image, _ = self.engine.images.build(path=str(self.directory), tag=name, rm=True)
        self.set(key, str(image.id))
        return image

    def push(self, release: str) -> None:
        """As the tag that all releases have; what it means from now on."""
        pushed = f"{registry.HERE}/{self.project}-worker"
        image = self.engine.images.get(self.image(release))
        image.tag(pushed, "latest")
        run(["docker", "push", "-q", f"{pushed}:latest"])
        image.reload()
        digest = next(one.partition("@")[2] for one in image.attrs["RepoDigests"] if one.startswith(f"{pushed}@"))
        self.set(f"LAB_DIGEST_{release.upper()}", digest)

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
        """Its name here. One tag for all releases where the code is not in it."""
        return f"{self.project}-worker:{'base' if self.has_mounted_code else release}"

    def deployed_image(self, release: str) -> str:
        """Its name in the stack's file."""
        name = f"{MAIN}:{registry.PORT}/{self.project}-worker:latest"
        return name if self.variant == "registry" else self.image(release)

    @property
    def has_mounted_code(self) -> bool:
        return self.variant in ("bind", "shared")

    def everywhere(self) -> None:
        """The worker as a global service: one task on each node."""
        self.ask_manager("service", "rm", f"{self.project}_{WORKER}")
        self.wait(lambda: not self.containers(WORKER), "the workers to end")
        self.redefine(lambda worker: worker.update(deploy={"mode": "global", "endpoint_mode": "dnsrr"}))
        self.wait_consuming()

    def redefine(self, change: Callable[[Any], None]) -> None:
        """Change the worker in the stack's file, and deploy it."""
        file = self.directory / STACK_FILE
        table = yaml.safe_load(file.read_text())
        change(table["services"][WORKER])
        file.write_text(yaml.safe_dump(table, sort_keys=False))
        self._deploy_file()

    def stack_deploy(self, release: str) -> None:
        (self.directory / STACK_FILE).write_text(stack_file(self.settings, self.deployed_image(release), self._mounted))
        self._deploy_file()

    def _deploy_file(self) -> None:
        resolve = "always" if self.variant == "registry" else "never"
        self.ask_manager(
            "stack", "deploy", "--resolve-image", resolve, "-c", str(self.directory / STACK_FILE), self.project
        )

    def heal(self, release: str = "before") -> None:
        """As new: every node there, this release, no documents, an empty queue."""
        self._nodes_back()
        self._side_services_back()
        if self.variant == "registry":
            registry.ensure(nodes.REGISTRY, self.wait)
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
        return {"bind": str(nodes.SHARED), "shared": str(self.directory)}.get(self.variant, "")

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
        if service in SIDE:
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
        """No update under way, and only tasks of what the service says now are wanted or run.

        Just after an update was ordered, neither its state nor the tasks show it.
        """

        def is_settled() -> bool:
            return all(map(self._is_settled, (WORKER, COORDINATOR)))

        self.wait(is_settled, "the update", 90)

    def _is_settled(self, name: str) -> bool:
        service, tasks = self.service(name), self.tasks(name)
        made = _made_from(service["Spec"]["TaskTemplate"])
        is_going = (service.get("UpdateStatus") or {}).get("State") == "updating"
        wanted = [task for task in tasks if task["DesiredState"] == "running"]
        others = [task for task in tasks if task["DesiredState"] != "running"]
        return (
            not is_going
            and all(_made_from(task["Spec"]) == made for task in wanted)
            and not any(task["Status"]["State"] == "running" for task in others)
        )

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
        for key, value in {"LAB_VARIANT": variant, **{name: str(port) for name, port in PORTS.values()}}.items():
            self.set(key, value)
        (self.directory / "docker-compose.yml").write_text(side_file())
        ports = {name: str(port) for name, port in PORTS.values()}
        text = profile_text(self.directory, self.project, "bind", ports, float(self.settings["LAB_TIME_SCALE"]))
        self.profile.write_text(of_a_stack(text, self.nodes_given()))

    def _write_image_items(self) -> None:
        """Into the profile, where the code is in the image; of a registry's image the old one by its digest."""
        if self.has_mounted_code:
            return
        old, new = self.deployed_image("before"), self.deployed_image("phase1")
        by_digest = f"{old}@{self.settings['LAB_DIGEST_BEFORE']}" if self.variant == "registry" else old
        with self.profile.open("a") as profile:
            profile.write(image_items(by_digest, new))

    def nodes_given(self) -> Iterator[str]:
        for node in nodes.nodes_of(9):
            yield f'[nodes.{node.name}]\naddress = "{node.host}"\n'


def _made_from(spec: Any) -> tuple[Any, Any]:
    return spec["ContainerSpec"], spec.get("ForceUpdate")


def any_lab(project: str) -> Lab:
    """A lab that is up, of either platform. Raises LabError if there is none of this name."""
    lab = Lab.open(project)
    return Stack(project, lab.directory) if _is_stack(lab.directory) else lab


def _is_stack(directory: Path) -> bool:
    settings = directory / ".env"
    return settings.exists() and "LAB_NODES=" in settings.read_text()
