"""Nodes of a Swarm on one machine: an engine each, in namespaces with an address, a host name and folders of its own.

The bridge between them is in a namespace too: the firewall rules of the machine's own engine would drop their packets.
Without a default route a node has no gateway to look for, which would hold up each of its tasks for 21 s.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from lab import registry
from lab.images import LabError, run

_HUB, _BRIDGE, _NET, _HERE = "rglhub", "rglbr0", "10.213", "10.213.0.1"
_ROOT = Path("/var/lib/rollback-gate-lab-nodes")  # short: the paths of sockets are below it
_UP_S, _END_S = 60.0, 30.0
_START = """set -e
hostname {name}
mkdir -p /run/docker /run/containerd
mount -t tmpfs tmpfs /run/docker
mount -t tmpfs tmpfs /run/containerd
mount --bind {own} {shared}
exec dockerd --config-file {folder}/daemon.json --data-root {folder}/data --exec-root {folder}/exec \
  --pidfile {folder}/docker.pid --cgroup-parent /{name} --tls=false --storage-driver {driver} \
  -H unix://{folder}/docker.sock -H tcp://{address}:2375
"""


@dataclass(frozen=True)
class LabNode:
    """One node. `number`: from 1 on."""

    number: int

    @property
    def name(self) -> str:
        return f"rgl{self.number}"

    @property
    def address(self) -> str:
        return f"{_NET}.{self.number}.2"

    @property
    def host(self) -> str:
        """Where its engine answers."""
        return f"tcp://{self.address}:2375"

    @property
    def folder(self) -> Path:
        return _ROOT / str(self.number)

    @property
    def own(self) -> Path:
        """What it has at `shared`."""
        return self.folder / "srv"

    @property
    def pid(self) -> int | None:
        """Of its engine; None if it does not run."""
        try:
            pid = int((self.folder / "docker.pid").read_text())
            is_it = str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return None
        return pid if is_it else None

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(self.host, timeout=30)

    def answers(self) -> bool:
        with contextlib.suppress(DockerException, OSError), contextlib.closing(self.client()) as client:
            return bool(client.ping())
        return False

    def start(self, driver: str) -> None:
        """Its engine; it does not wait for it."""
        self.own.mkdir(parents=True, exist_ok=True)
        (self.folder / "daemon.json").write_text(json.dumps({"insecure-registries": [f"{_HERE}:{registry.PORT}"]}))
        (self.folder / "docker.pid").unlink(missing_ok=True)  # of one that was killed
        script = _START.format(
            name=self.name,
            own=self.own,
            shared=SHARED,
            folder=self.folder,
            driver=driver,
            address=self.address,
        )
        with (self.folder / "log").open("ab") as log:
            inside = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--uts", "bash", "-c", script]
            subprocess.run(["setsid", "--fork", *inside], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)

    def cut(self) -> None:
        """Take the node off the network; its containers go on."""
        run(["ip", "-n", _HUB, "link", "set", f"rglp{self.number}", "down"])

    def connect(self) -> None:
        run(["ip", "-n", _HUB, "link", "set", f"rglp{self.number}", "up"])

    def kill(self) -> None:
        """End its engine at once; its containers go on."""
        if pid := self.pid:
            os.kill(pid, signal.SIGKILL)


REGISTRY = _ROOT / "registry"
SHARED = _ROOT / "srv"  # the same path on every node, each with its own content


def nodes_of(count: int) -> tuple[LabNode, ...]:
    return tuple(LabNode(number) for number in range(1, count + 1))


def up(count: int, wait: Callable[[Callable[[], bool], str, float], None]) -> tuple[LabNode, ...]:
    """That many engines, each on a network of its own. Raises LabError."""
    if Path("/run/netns", _HUB).exists():
        raise LabError("a lab of several nodes is up already, and there can be one: invoke lab.down --project NAME")
    nodes = nodes_of(count)
    SHARED.mkdir(parents=True, exist_ok=True)
    _network(nodes)
    driver = docker.from_env().info()["Driver"]
    for node in nodes:
        node.start(driver)
    for node in nodes:
        wait(node.answers, f"the engine of {node.name}; see {node.folder}/log", _UP_S)
    return nodes


def swarm(nodes: tuple[LabNode, ...]) -> None:
    """The first is the manager."""
    manager, *workers = nodes
    with contextlib.closing(manager.client()) as client:
        client.swarm.init(
            advertise_addr=manager.address, listen_addr=f"{manager.address}:2377", default_addr_pool=["10.214.0.0/16"]
        )
        client.swarm.reload()
        token = client.swarm.attrs["JoinTokens"]["Worker"]
    for node in workers:
        with contextlib.closing(node.client()) as client:
            listens = f"{node.address}:2377"
            client.swarm.join([f"{manager.address}:2377"], token, listens, node.address)


def _network(nodes: tuple[LabNode, ...]) -> None:
    hub = ["ip", "-n", _HUB]
    commands = [
        ["ip", "netns", "add", _HUB],
        [*hub, "link", "add", _BRIDGE, "type", "bridge"],
        [*hub, "link", "set", _BRIDGE, "up"],
        ["ip", "link", "add", "rglroot", "type", "veth", "peer", "name", "rglrootp", "netns", _HUB],
        [*hub, "link", "set", "rglrootp", "master", _BRIDGE, "up"],
        ["ip", "addr", "add", f"{_HERE}/16", "dev", "rglroot"],
        ["ip", "link", "set", "rglroot", "up"],
    ]
    for node in nodes:
        peer, inside = f"rglp{node.number}", ["ip", "-n", node.name]
        commands += [
            ["ip", "netns", "add", node.name],
            [*inside, "link", "set", "lo", "up"],
            ["ip", "link", "add", "eth0", "netns", node.name, "type", "veth", "peer", "name", peer, "netns", _HUB],
            [*hub, "link", "set", peer, "master", _BRIDGE, "up"],
            [*inside, "addr", "add", f"{node.address}/16", "dev", "eth0"],
            [*inside, "link", "set", "eth0", "up"],
        ]
    for command in commands:
        run(command)


def down() -> None:
    """End everything that `up` began, and a registry, also after a crash: engines, containers, namespaces, mounts."""
    registry.stop(REGISTRY)
    nodes = [LabNode(int(path.name)) for path in _ROOT.glob("[0-9]*")] if _ROOT.exists() else []
    for node in nodes:
        if pid := node.pid:
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    while any(node.pid for node in nodes) and time.monotonic() < deadline:
        time.sleep(0.1)
    for node in nodes:
        for pid in set(_left_of(node)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    while any(any(_left_of(node)) for node in nodes) and time.monotonic() < deadline + _END_S:
        time.sleep(0.1)
    for name in [*(node.name for node in nodes), _HUB]:
        _without_namespace(name)
    _without_mounts()
    shutil.rmtree(_ROOT, ignore_errors=True)


def _left_of(node: LabNode) -> Iterator[int]:
    """Its processes: in its network, and in the control groups of its containers."""
    if Path("/run/netns", node.name).exists():
        yield from map(int, run(["ip", "netns", "pids", node.name]).split())
    for group in _groups(node.name):
        for folder, _, _ in os.walk(group):
            with contextlib.suppress(OSError):
                yield from map(int, Path(folder, "cgroup.procs").read_text().split())


def _groups(name: str) -> Iterator[Path]:
    """Control groups of this name; those of other labs come and go meanwhile."""
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        if name in names:
            yield Path(folder, name)


def _without_namespace(name: str) -> None:
    if Path("/run/netns", name).exists():
        run(["ip", "netns", "del", name])
    for group in list(_groups(name)):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _without_mounts() -> None:
    rows = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    for place in sorted((row for row in rows if row.startswith(f"{_ROOT}/")), reverse=True):
        run(["umount", "-l", place])
