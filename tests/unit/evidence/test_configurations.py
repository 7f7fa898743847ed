"""What a new container would be made of: asked of Compose, by its hash where that tells, else part by part."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rollback_gate.errors import CommandFailed
from rollback_gate.evidence.configurations import Configurations
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Completed
from rollback_gate.platform.configured import SAME_PARTS, Wanted
from rollback_gate.platform.replica import Mount
from tests.unit.builders import phase1, replica

WORKER = "enrichment-worker"
CONTAINER: dict[str, Any] = {
    "Config": {
        "Image": "image",
        "Cmd": ["python", "-m", "worker"],
        "Env": ["A=1", "B=x=y$", "C=given", "PATH=/bin"],
        "WorkingDir": "/app/",
        "Entrypoint": None,
    },
    "Mounts": [
        {"Type": "bind", "Source": "/srv/p/code", "Destination": "/app/code"},
        {
            "Type": "volume",
            "Name": "p_models",
            "Source": "/var/lib/docker/volumes/p_models/_data",
            "Destination": "/models",
        },
    ],
}
ENTRY: dict[str, Any] = {
    "image": "image",
    "command": ["python", "-m", "worker"],
    "environment": {"A": 1, "B": "x=y$$", "C": None},
    "volumes": [
        {"type": "bind", "source": "/srv/p/code", "target": "/app/code"},
        {"type": "volume", "source": "models", "target": "/models"},
        {"type": "tmpfs", "target": "/tmp"},
    ],
}
V1 = {**ENTRY, "command": "python -m worker", "environment": ["A=1", "B=x=y$$", "C"]}
V1["volumes"] = ["/srv/p/code:/app/code:ro", "models:/models:rw"]


IMAGE = {"Cmd": ["sh"], "Entrypoint": None, "Env": ["PATH=/bin"], "WorkingDir": "/app", "User": ""}
VOLUMES = {"models": "p_models", "more": "p_more"}
LIKE_THE_IMAGE = {"Config": {**IMAGE, "Image": "image"}, "Mounts": []}


def differences(entry: dict[str, Any], container: dict[str, Any] = CONTAINER) -> list[str]:
    return Wanted(entry, VOLUMES).differences(container, IMAGE)


@pytest.mark.parametrize("entry", [ENTRY, V1], ids=["v2", "v1"])
def test_equal_parts(entry: dict[str, Any]) -> None:
    """As either Compose prints them."""
    assert differences(entry) == []


def test_what_the_file_does_not_say_is_as_the_image_has_it() -> None:
    """A volume without a name, and the proxies that the docker command adds, are no difference."""
    assert differences({"command": None}, LIKE_THE_IMAGE) == []
    assert differences({"entrypoint": ["python"]}, {"Config": {**IMAGE, "Entrypoint": ["python"], "Cmd": None}}) == []
    anonymous = {"Type": "volume", "Name": "f" * 64, "Source": "/var/lib/docker/x", "Destination": "/data"}
    config = {**IMAGE, "Env": ["PATH=/bin", "HTTP_PROXY=http://p"]}
    assert differences({}, {"Config": config, "Mounts": [anonymous]}) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image": "image:phase1"}, ["image"]),
        ({"command": ["python", "-m", "other"]}, ["command"]),
        ({"entrypoint": ["sh"]}, ["entrypoint"]),
        (
            {"environment": {"A": "2", "D": "secret"}},
            ["environment A", "environment D", "environment B", "environment C"],
        ),
        ({"command": None}, ["command"]),
        ({"entrypoint": ["sh"], "command": None}, ["entrypoint", "command"]),
        ({"environment": {"A": "1", "C": None}}, ["environment B"]),
        ({"working_dir": "/srv/v2"}, ["working_dir"]),
        ({"user": "1001"}, ["user"]),
        ({"volumes": [*ENTRY["volumes"][:1], "more:/models"]}, ["mount /models"]),
        ({"volumes": [*ENTRY["volumes"][:1]]}, ["mount /models"]),
        (
            {"volumes": [{"type": "bind", "source": "/srv/p/v2", "target": "/app/code"}, "models:/models"]},
            ["mount /app/code"],
        ),
        ({"volumes": ["models:/models"]}, ["mount /app/code"]),
        ({"volumes": ["/srv/p/code:/app/code", "models:/models", "more:/more"]}, ["mount /more"]),
    ],
)
def test_parts_that_differ_are_named_and_no_value_is(change: dict[str, Any], named: list[str]) -> None:
    found = differences({**ENTRY, **change})
    assert found == named
    assert "secret" not in str(found)


def asked(
    tmp_path: Path,
    version: str,
    entry: dict[str, Any],
    hashes: str,
    *mounts: Mount,
    plain: dict[str, Any] | None = None,
    config_files: str = "docker-compose.yml",
) -> str | Unmeasured:
    """Of one worker that this Compose made, and that is installed. `plain`: what is otherwise where no file is named."""
    (tmp_path / "docker-compose").touch()
    (tmp_path / "docker-compose.yml").touch()

    def runner(argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = "") -> Completed:
        if argv[0] == "docker":
            raise CommandFailed(argv, "could not be started", "")
        if argv[-2:] == ("version", "--short"):
            return Completed(argv, f"{version}\n", "")
        is_plain = "-f" not in argv
        if is_plain:
            assert cwd == tmp_path
        printed = {"services": {WORKER: {**entry, **(plain or {} if is_plain else {})}}, "volumes": {"models": None}}
        return Completed(argv, hashes if "--hash" in argv else yaml.safe_dump(printed), "")

    profile = phase1(f"deployment.project_directory={tmp_path}", "deployment.project=p")
    engine: Any = SimpleNamespace(
        environment={"PATH": str(tmp_path)}, raw=lambda _: CONTAINER, image_config=lambda _: IMAGE
    )
    one = replica(config_hash="abc", compose_version=version, mounts=mounts, config_files=config_files)
    return Configurations(profile, engine, runner).now([one])[WORKER]


def test_by_the_hash_where_that_tells(tmp_path: Path) -> None:
    assert asked(tmp_path, "5.6.1", ENTRY, f"{WORKER} abc\n") == "abc"
    assert asked(tmp_path, "5.6.1", ENTRY, f"{WORKER} other\n") == "other"


@pytest.mark.parametrize(
    ("version", "also"),
    [("2.26.1", {}), ("2.32.0", {}), ("5.6.1", {"network_mode": "service:mongodb"})],
    ids=["before 2.29.3", "an env_file is forgotten", "another container's network"],
)
def test_part_by_part_where_the_hash_does_not_tell(tmp_path: Path, version: str, also: dict[str, str]) -> None:
    """Another hash proves nothing there; another image, or a mount from elsewhere, does."""
    assert asked(tmp_path, version, {**ENTRY, **also}, f"{WORKER} other\n") == SAME_PARTS
    changed = {**ENTRY, **also, "image": "image:phase1"}
    assert asked(tmp_path, version, changed, f"{WORKER} other\n") == "another image"


def test_what_the_next_up_fetches_cannot_be_told(tmp_path: Path) -> None:
    """Compose leaves pull_policy out of its hash. Where all of the change is mounted the image does not matter."""
    always = {**ENTRY, "pull_policy": "always"}
    found = asked(tmp_path, "5.6.1", always, f"{WORKER} abc\n")
    assert isinstance(found, Unmeasured)
    assert "pull_policy: always" in found.reason
    assert asked(tmp_path, "5.6.1", always, f"{WORKER} abc\n", Mount("bind", "/srv/p", "/app")) == "abc"


@pytest.mark.parametrize("found", ["docker-compose.override.yml", "compose.yaml", ".env"])
def test_an_up_that_names_no_files_may_read_others(tmp_path: Path, found: str) -> None:
    """Rolled back with `-f docker-compose.yml`, and the change's override is still there: the next `up` reads it."""
    (tmp_path / found).write_text("COMPOSE_FILE=phase1.yml\n")
    changed = {"image": "image:phase1"}
    same = asked(tmp_path, "5.6.1", ENTRY, f"{WORKER} abc\n")
    assert same == "abc", "it says nothing of this service"
    other = asked(tmp_path, "5.6.1", ENTRY, f"{WORKER} abc\n", plain=changed)
    assert isinstance(other, str)
    assert f"an `up` that names no files, which reads {found}" in other
    by_name = asked(tmp_path, "5.6.1", ENTRY, f"{WORKER} abc\n", plain=changed, config_files="prod.yml")
    assert by_name == "abc", "it was made from a file that has to be named each time"


def test_what_else_the_other_files_say_does_not_matter() -> None:
    """A developer's override has a volume for a service of its own."""
    one = Wanted(ENTRY, VOLUMES)
    assert one.is_made_as(Wanted(dict(ENTRY), {**VOLUMES, "of_another": "p_other"}))
    assert not one.is_made_as(Wanted(ENTRY, {**VOLUMES, "models": "p_phase1"}))
    assert not one.is_made_as(None)


def test_a_service_that_the_files_do_not_have(tmp_path: Path) -> None:
    profile = phase1(f"deployment.project_directory={tmp_path}")
    engine: Any = SimpleNamespace(environment={"PATH": str(tmp_path)}, raw=lambda _: CONTAINER)
    (tmp_path / "docker-compose").touch()

    def runner(argv: tuple[str, ...], **_: Any) -> Completed:
        return Completed(argv, "5.6.1\n" if "version" in argv else "services: {}\n", "")

    asker = Configurations(profile, engine, runner)
    assert isinstance(asker.now([replica()])[WORKER], Unmeasured)
    assert asker.now([]) == {}
