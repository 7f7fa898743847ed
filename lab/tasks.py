"""`invoke lab.*`: a reference deployment to try things on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from lab.operator import Operator

PROJECT = "which lab, where there are several (default: rollback-gate-lab)"
DEFAULT = "rollback-gate-lab"


@contextmanager
def lab_errors() -> Iterator[None]:
    from lab.images import LabError

    try:
        yield
    except LabError as error:
        raise Exit(f"error: {error}", code=2) from error


@task(
    help={
        "variant": "bind (as the real deployment), build, image, or single (as the runbook imagines it)",
        "release": "before, phase1, or phase1-broken (does not start, as the real one)",
        "compose": "the docker-compose to use (default: the v5 of this environment)",
        "pace": "quick (one second stands for twenty) or real",
        "manner": "true (as the real worker: further documents of a process hang) or tame (every one is as the first)",
        "project": PROJECT,
        "platform": "compose, or swarm (a stack on nodes of its own; its variants: image, registry, shared, bind)",
        "nodes": "of a swarm, how many",
    }
)
def up(
    _: Context,
    variant: str = "",
    release: str = "before",
    compose: str = "",
    pace: str = "quick",
    manner: str = "true",
    project: str = DEFAULT,
    platform: str = "compose",
    nodes: int = 3,
) -> None:
    """Start a lab and wait until its workers consume (or crash-loop, with phase1-broken)."""
    from lab.reference import Lab, Nature
    from lab.stack import Stack

    nature = Nature(manner, pace, first_document="any")
    with lab_errors():
        if platform == "swarm":
            stack = Stack.begun(variant or "image", release, project, nodes, nature)
            print(f"stack {project} is up on {nodes} nodes: variant {stack.variant}, release {release}")
            print(f"  its manager: export DOCKER_HOST={stack.nodes[0].host}")
            print(f"  its profile: --profile {stack.profile}")
            return
        lab = Lab.up(variant or "bind", release, project, compose, nature)
    print(f"lab {project} is up: variant {lab.variant}, release {release}")
    print(f"  its profile: --profile {lab.profile}")


@task(help={"release": "phase1 or phase1-broken", "project": PROJECT})
def deploy(_: Context, release: str = "phase1", project: str = DEFAULT) -> None:
    """Deploy a release as the team does: timestamped backup, new modules, rebuild."""
    from lab.stack import any_lab

    with lab_errors():
        any_lab(project).deploy(release)


@task(help={"count": "how many documents", "project": PROJECT})
def load(_: Context, count: int = 2, project: str = DEFAULT) -> None:
    """Send documents through the queue and wait until they are saved (a true-manner worker finishes only one)."""
    from lab.stack import any_lab

    with lab_errors():
        any_lab(project).load(count)


@task(
    name="break", positional=["name"], help={"name": "what to break; any other word shows the list", "project": PROJECT}
)
def break_(_: Context, name: str, project: str = DEFAULT) -> None:
    """Break the lab in one named way, to see how the gate judges it."""
    from lab.catalogue import CATALOGUE
    from lab.stack import any_lab

    entries = {entry.name: entry for entry in CATALOGUE}
    if name not in entries:
        listed = "\n".join(f"  {key:30} {entry.says}" for key, entry in entries.items())
        raise Exit(f"error: there is no break '{name}'; there are\n{listed}", code=2)
    with lab_errors():
        entries[name].apply(any_lab(project))


@task(
    positional=["mode"], help={"mode": "rich, partial, envelope, blank, errors, slow, refused ...", "project": PROJECT}
)
def mcp(_: Context, mode: str, project: str = DEFAULT) -> None:
    """Switch how the lab's MCP server answers."""
    from lab.stack import any_lab

    with lab_errors():
        any_lab(project).mcp(mode)


@contextmanager
def _operator(release: str) -> Iterator[Operator]:
    """An operator on a lab of its own, up while a page or picture is made."""
    import tempfile
    from pathlib import Path

    from lab.operator import Operator
    from lab.reference import Lab, Nature

    with lab_errors(), tempfile.TemporaryDirectory() as folder:
        lab = Lab.up("bind", release, "rollback-gate-docs", nature=Nature("tame"))
        try:
            yield Operator(lab, Path(folder) / "reports")
        finally:
            lab.down()


@task
def pages(_: Context) -> None:
    """Rewrite docs/profile.md from the schema, and docs/operator.md from what its commands print (takes 2 minutes)."""
    from lab import manual
    from lab.pages import write

    manual.write()
    with _operator("before") as operator:
        write(operator)


@task
def pictures(_: Context) -> None:
    """Remake the pictures of records in docs/ from three runs on a lab (takes 4 minutes)."""
    from lab.pictures import make

    with _operator("phase1") as operator:
        make(operator)


@task(help={"project": PROJECT})
def down(_: Context, project: str = DEFAULT) -> None:
    """Remove the lab: containers, network, worker image, files."""
    from lab.stack import any_lab

    with lab_errors():
        any_lab(project).down()
