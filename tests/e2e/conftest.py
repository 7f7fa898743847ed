"""Real engine, real MongoDB, real Compose. What is missing fails a test; nothing is skipped."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.operator import ROOT, Ended, Operator, finding
from lab.reference import COORDINATOR, HERE, ORCHESTRATOR, WORKER, Lab, Nature, default_compose

__all__ = ["ROOT", "Ended", "Nature", "Operator", "finding"]
COMPOSE_V1 = "/usr/bin/docker-compose"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The module that takes longest begins first: its tests share nodes that are the whole machine's."""
    items.sort(key=lambda item: "test_swarm" not in item.nodeid)


@contextmanager
def running_lab(
    variant: str, release: str, project: str, folder: Path, compose: str = "", nature: Nature = Nature()
) -> Iterator[Operator]:
    lab = Lab.up(variant, release, project, compose or default_compose(), nature)
    try:
        yield Operator(lab, folder / "reports")
    finally:
        lab.down()


def tree(lab: Lab) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and owner of every file of the project that people put there."""
    found = [
        p for p in sorted(lab.directory.rglob("*")) if p.is_file() and not p.is_relative_to(lab.directory / ".rollback")
    ]
    return {
        str(p.relative_to(lab.directory)): (p.read_bytes(), p.stat().st_mode, p.stat().st_uid)
        for p in found
        if "__pycache__" not in p.parts and ".git" not in p.parts
    }


def code_in(lab: Lab, service: str = WORKER) -> list[str]:
    """What each container of a service sees of the restored file: old, phase1 or something else; and its state."""
    known = {
        hashlib.sha256((HERE / "releases" / release / ORCHESTRATOR).read_bytes()).hexdigest(): release
        for release in ("before", "phase1")
    }
    seen = []
    for container in lab.containers(service):
        chunks, _ = container.get_archive(f"/app/{ORCHESTRATOR}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(archive.next() or tarfile.TarInfo())
            assert file
            digest = hashlib.sha256(file.read()).hexdigest()
        seen.append(f"{known.get(digest, 'something else')}, {container.status}")
    return seen


def identities(lab: Lab, services: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Container id and start by name."""
    found = [c for service in services for c in lab.containers(service)]
    return {str(c.name): (str(c.id), c.attrs["State"]["StartedAt"]) for c in found}


def project_of(name: str, folder: Path) -> str:
    """A name of a project that no other test of this run has."""
    return f"e2e-{name}-{folder.parent.name[-8:].strip('_').lower()}"


OTHERS = ("mongodb", "nsqd", "mcp-server")
OURS = (WORKER, COORDINATOR)


@pytest.fixture(scope="session")
def labs_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Labs of the tests live apart from those that a person started."""
    folder = tmp_path_factory.mktemp("labs")
    before = os.environ.get("ROLLBACK_GATE_LAB_DIRECTORY")
    os.environ["ROLLBACK_GATE_LAB_DIRECTORY"] = str(folder)
    yield folder
    if before is None:
        del os.environ["ROLLBACK_GATE_LAB_DIRECTORY"]
    else:
        os.environ["ROLLBACK_GATE_LAB_DIRECTORY"] = before
