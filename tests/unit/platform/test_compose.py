"""Which Compose reads the files of a deployment, and as what."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rollback_gate.platform import compose as composes
from rollback_gate.platform.commands import SubprocessRunner
from tests.unit.builders import phase1, replica


@pytest.mark.parametrize("program", ["/usr/bin/docker-compose", str(Path(sys.executable).with_name("docker-compose"))])
def test_a_stack_with_upper_case_letters_is_read(tmp_path: Path, program: str) -> None:
    """As `docker stack deploy` does, without the folder's .env; each real Compose takes no such name."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker-compose").symlink_to(program)
    (tmp_path / "stack.yml").write_text('version: "3.8"\nservices: {worker: {image: "ocr/worker:${TAG:-1}"}}\n')
    (tmp_path / ".env").write_text("TAG=2\n")
    of_the_stack = ('deployment.platform="swarm"', 'deployment.files=["stack.yml"]', 'deployment.project="Ocr"')
    deployment = phase1(*of_the_stack, f'deployment.project_directory="{tmp_path}"').deployment
    environ = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    runner = SubprocessRunner(environ)
    compose = composes.to_read(deployment, replica(), runner, environ)
    assert composes.services(compose, runner, tmp_path)["worker"].image == "ocr/worker:1"
