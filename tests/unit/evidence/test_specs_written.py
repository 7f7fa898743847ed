"""A stack's file beside its service, as each real Compose reads the file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.evidence.specs import Specs
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.service import Service, parse
from rollback_gate.profile.schema import Profile
from tests.unit.builders import phase1, replica

WORKER = "enrichment-worker"
FILE = f"""version: "3.8"
services:
  {WORKER}:
    image: ocr/worker:${{TAG:-1}}
    command: python run.py --worker-id {{{{.Task.Slot}}}}
    environment: {{MODE: "on"}}
    configs: [{{source: settings, target: /etc/ocr.toml}}]
    secrets: [key]
    volumes: [models:/models, /srv/data:/data]
    deploy:
      replicas: 3
      endpoint_mode: dnsrr
      placement: {{constraints: [node.role == worker]}}
      restart_policy: {{condition: on-failure, delay: 1s}}
configs: {{settings: {{external: true, name: settings-1}}}}
secrets: {{key: {{external: true, name: key-1}}}}
volumes: {{models: {{external: true}}}}
"""


@pytest.fixture(params=["1.29", "5"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """With one Compose on it: Debian's, or that of the environment."""
    program = {"1.29": "/usr/bin/docker-compose", "5": str(Path(sys.executable).with_name("docker-compose"))}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker-compose").symlink_to(program[request.param])
    return str(tmp_path / "bin")


def rewritten(
    folder: Path, path: str, text: str, project: str = "ocr", by_content: bool = True, **container: Any
) -> tuple[str, ...] | Unmeasured:
    """What the file has otherwise than the service."""
    (folder / "docker-stack.yml").write_text(text)
    (folder / ".env").write_text("TAG=2\n")
    at = ('deployment.platform="swarm"', 'deployment.files=["docker-stack.yml"]')
    profile: Profile = phase1(*at, f'deployment.project_directory="{folder}"', f'deployment.project="{project}"')
    environment = {"PATH": path, "HOME": str(folder)}
    services: Mapping[str, Service] = {WORKER: service(**container)}
    digest = f"sha256:{'b' * 64}"
    known = {"environment": environment, "services": lambda *_: services, "digest_of": lambda *_: digest}
    cluster = type("Cluster", (), known)()
    found = Specs(profile, cast(Cluster, cluster), SubprocessRunner(environment))
    return found.rewritten([replica(service=WORKER)], by_content)[WORKER]


def service(**container: Any) -> Service:
    """As `docker stack deploy` makes it from the file, without its .env."""
    made = {
        "Image": "ocr/worker:1",
        "Args": ["python", "run.py", "--worker-id", "{{.Task.Slot}}"],
        "Env": ["MODE=on"],
        "Configs": [{"File": {"Name": "/etc/ocr.toml"}, "ConfigName": "settings-1"}],
        "Secrets": [{"File": {"Name": "key"}, "SecretName": "key-1"}],
        "Mounts": [
            {"Type": "volume", "Source": "models", "Target": "/models"},
            {"Type": "bind", "Source": "/srv/data", "Target": "/data"},
        ],
        **container,
    }
    spec = {"Name": f"ocr_{WORKER}", "TaskTemplate": {"ContainerSpec": made}, "Mode": {"Replicated": {"Replicas": 3}}}
    return parse({"ID": "s", "Version": {"Index": 1}, "Spec": spec})


def test_the_service_is_what_its_file_says(tmp_path: Path, path: str) -> None:
    """Variables have their defaults: `docker stack deploy` reads no .env."""
    assert rewritten(tmp_path, path, FILE) == ()


@pytest.mark.parametrize(
    ("container", "part"),
    [
        ({"Image": "ocr/worker:2"}, "image"),
        ({"Env": ["MODE=off"]}, "environment MODE"),
        ({"Args": ["python", "other.py"]}, "command"),
        ({"Configs": [{"File": {"Name": "/etc/ocr.toml"}, "ConfigName": "settings-2"}]}, "config /etc/ocr.toml"),
        ({"Secrets": []}, "config /run/secrets/key"),
        ({"Mounts": [{"Type": "volume", "Source": "models", "Target": "/models"}]}, "mount /data"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, path: str, container: dict[str, Any], part: str) -> None:
    found = rewritten(tmp_path, path, FILE, **container)
    assert not isinstance(found, Unmeasured)
    assert part in found


@pytest.mark.parametrize(("value", "differs"), [('"on"', ()), ("'on'", ()), ('"off"', ("environment MODE",))])
def test_quotes_of_an_env_file_are_no_difference(
    tmp_path: Path, path: str, value: str, differs: tuple[str, ...]
) -> None:
    """`docker stack deploy` takes them into the value, Compose takes them off: no deployment would change anything."""
    assert rewritten(tmp_path, path, FILE, Env=[f"MODE={value}"]) == differs


def test_a_tag_that_was_pushed_again_is_a_difference_of_the_changes_services_only(tmp_path: Path, path: str) -> None:
    """Of another one, as a public proxy, it says nothing of the change's values; nor does a registry that is silent."""
    by_digest: dict[str, Any] = {"Image": f"ocr/worker:1@sha256:{'a' * 64}"}
    assert rewritten(tmp_path, path, FILE, **by_digest) == ("image",)
    assert rewritten(tmp_path, path, FILE, by_content=False, **by_digest) == ()
    assert rewritten(tmp_path, path, FILE, by_content=False, Image="ocr/worker:2") == ("image",)


def test_a_stacks_name_may_have_upper_case_letters(tmp_path: Path, path: str) -> None:
    """Compose takes none in a project's name."""
    text = FILE.replace("models: {external: true}", "models: {}")
    mounts = [
        {"Type": "volume", "Source": "OCR_models", "Target": "/models"},
        {"Type": "bind", "Source": "/srv/data", "Target": "/data"},
    ]
    assert rewritten(tmp_path, path, text, "OCR", Mounts=mounts) == ()


def test_a_file_that_compose_does_not_understand_is_unmeasured(tmp_path: Path, path: str) -> None:
    assert isinstance(rewritten(tmp_path, path, FILE.replace("services:", "service:")), Unmeasured)
