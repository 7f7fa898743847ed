"""What runs for a project's folder, for a proposed profile: a project of Compose, or a stack of a Swarm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollback_gate.draft import differences
from rollback_gate.errors import Refused
from rollback_gate.platform.connected import cluster_of
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import PROJECT_LABEL, Replica
from rollback_gate.platform.swarm.cluster import Cluster, names_of_stacks, read_nodes
from rollback_gate.profile.deployment import NodeAddress

Choose = Callable[[str, tuple[str, ...]], str]


@dataclass(frozen=True)
class Running:
    """`everyone`: by name. `files`: Compose files, or the stack's, relative to the folder where they are in it.

    `nodes`: of a stack, addresses that differ from the default, by node.
    """

    engines: Engines
    project: str
    everyone: tuple[Replica, ...]
    files: tuple[str, ...]
    nodes: Mapping[str, NodeAddress] = field(default_factory=dict)

    @property
    def is_stack(self) -> bool:
        return isinstance(self.engines, Cluster)


@dataclass(frozen=True)
class Where:
    """`project`: "" to find it. `nodes`: how a node is reached, with {address} and {name}; "" for the default.

    `choose`: one of several; None where nobody can be asked.
    """

    directory: Path
    project: str
    nodes: str
    choose: Choose | None


def running(engine: Engine, environ: Mapping[str, str], where: Where) -> Running:
    """A project that was made in the folder, else a stack. Raises Refused if there is none; Unreachable."""
    projects = _projects(engine, where)
    if projects:
        name = _one_of("which project?", tuple(projects), where.choose, projects)
        everyone = tuple(sorted(projects[name], key=lambda replica: replica.name))
        return Running(engine, name, everyone, tuple(compose_files(everyone[0], where.directory)))
    if stacks := [name for name in names_of_stacks(engine) if where.project in ("", name)]:
        return _stack(engine, environ, where, _one_of("which stack?", tuple(stacks), where.choose, None))
    what = f"project {where.project}" if where.project else f"a project made in {where.directory}"
    raise Refused(f"there is no container of {what}", "name the project with --project; `docker compose ls` helps")


def _one_of(question: str, names: tuple[str, ...], choose: Choose | None, of_folder: object) -> str:
    """Raises Refused for several stacks where nobody can be asked: nothing ties a stack to a folder."""
    if len(names) > 1 and choose is None and of_folder is None:
        raise Refused(f"there are several stacks: {', '.join(names)}", "name one with --project")
    return choose(question, names) if len(names) > 1 and choose is not None else names[0]


def _projects(engine: Engine, where: Where) -> dict[str, list[Replica]]:
    names, projects = engine.values_of(PROJECT_LABEL), dict[str, list[Replica]]()
    for replica in engine.labelled("containers of Compose", PROJECT_LABEL):
        project = names.get(replica.id, "")
        is_here = where.project or Path(replica.made_in or "/").resolve() == where.directory
        if project and where.project in ("", project) and is_here:
            projects.setdefault(project, []).append(replica)
    return projects


def _stack(engine: Engine, environ: Mapping[str, str], where: Where, name: str) -> Running:
    """Raises Refused if no container of it can be seen."""
    nodes = dict(_addresses(engine, where.nodes))
    cluster = cluster_of(engine, environ, nodes)
    with contextlib.ExitStack() as undo:
        undo.callback(cluster.connections.close)
        files = tuple(_stack_files(where.directory, set(cluster.services(name))))
        everyone = tuple(sorted(cluster.of_project(name), key=lambda replica: replica.name))
        if not everyone:
            why = "; ".join(map(str, cluster.unseen_services(name).values())) or "none of its tasks runs"
            remedy = "give --nodes, such as tcp://{address}:2376"
            raise Refused(f"no container of stack {name} can be seen: {why}", remedy)
        undo.pop_all()
    return Running(cluster, name, everyone, files, nodes)


def _addresses(engine: Engine, form: str) -> Iterator[tuple[str, NodeAddress]]:
    """Raises Refused for an address that is none."""
    if not form:
        return
    for node in read_nodes(engine):
        address = form.replace("{address}", node.as_host).replace("{name}", node.name)
        if not address.startswith(("ssh://", "tcp://", "unix://")):
            raise Refused(f"{form} is no address of a node", "give --nodes, such as tcp://{address}:2376")
        yield node.name, NodeAddress(address=address)


def _stack_files(directory: Path, services: set[str]) -> list[str]:
    """A file in the folder that has all of these services: the one with the fewest others."""
    found = {path.name: _services_of(path) for path in sorted(directory.glob("*.y*ml"))}
    fitting = [name for name, has in found.items() if services and services <= has]
    return [min(fitting, key=lambda name: len(found[name]))] if fitting else []


def _services_of(path: Path) -> set[str]:
    try:
        written: Any = yaml.load(path.read_text(), differences.Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return set()
    services = written.get("services") if isinstance(written, dict) else None
    return set(map(str, services)) if isinstance(services, dict) else set()


def compose_files(replica: Replica, directory: Path) -> list[str]:
    """The Compose files that a container was made from, relative to the project's folder where they are in it."""
    names = [Path(name) for name in replica.config_files.split(",") if name]
    return [str(name.relative_to(directory)) if name.is_relative_to(directory) else name.name for name in names]
