"""Another team's deployment from examples/, brought up as that team would, with images of the lab."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from lab.images import BASE, ensure_images
from lab.operator import ROOT
from lab.reference import default_compose


@dataclass(frozen=True)
class Example:
    """`directory`: a copy of it; `profile`: the team's own, where it runs being this copy."""

    directory: Path
    project: str
    images: tuple[str, ...]

    @property
    def profile(self) -> Path:
        return self.directory / "here.toml"

    def compose(self, *arguments: str) -> None:
        """Raises CalledProcessError."""
        command = [default_compose(), "-p", self.project, *arguments]
        environment = {**os.environ, **dict.fromkeys(self.images, f"{BASE}:latest")}
        subprocess.run(command, cwd=self.directory, env=environment, check=True, capture_output=True)


@contextmanager
def running(name: str, folder: Path, project: str, images: tuple[str, ...]) -> Iterator[Example]:
    """`images`: the variables of its Compose file that name images."""
    with contextlib.closing(docker.from_env()) as client:
        ensure_images(client)
    example = Example(folder / name, project, images)
    shutil.copytree(ROOT / "examples" / name, example.directory)
    example.profile.write_text(
        f'extends = "profile.toml"\n[deployment]\nproject_directory = "{example.directory}"\nproject = "{project}"\n'
    )
    try:
        example.compose("up", "-d", "--wait")
        yield example
    finally:
        example.compose("down", "--volumes", "--timeout", "1")
