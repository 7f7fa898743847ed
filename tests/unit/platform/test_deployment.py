from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_gate.change import strategy
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import CommandFailed, Refused, Unreachable
from rollback_gate.evidence.boundary import of_log
from rollback_gate.evidence.consumers import is_consumer
from rollback_gate.evidence.readings import Consumer
from rollback_gate.platform import compose
from rollback_gate.platform import engine as engines
from rollback_gate.platform.archive import python_files_in
from rollback_gate.platform.commands import Completed, allowed
from rollback_gate.platform.compose import ComposeService
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Mount, parse_inspect
from rollback_gate.profile.schema import Profile
from tests.unit.builders import CAPTURES, STARTED, phase1, replica

BOUND = (Mount("bind", "/srv/p/enrichment_service", "/app/enrichment_service"),)
PLAIN = ComposeService("enrichment-worker", False, "", "image")
BUILT = ComposeService("enrichment-worker", True, ".", "image")

INSPECT = {
    "Id": "a" * 64,
    "Name": "/p-enrichment-worker-1",
    "Created": "2026-11-23T12:00:00.1Z",
    "Image": "sha256:1",
    "RestartCount": 4,
    "State": {
        "Status": "running",
        "Restarting": False,
        "Paused": False,
        "OOMKilled": False,
        "ExitCode": 0,
        "StartedAt": "2026-11-23T12:00:00.123456789Z",
        "Health": {"Status": "healthy"},
    },
    "Config": {
        "Image": "img",
        "Hostname": "aaaaaaaaaaaa",
        "StopTimeout": 1,
        "Labels": {
            "com.docker.compose.service": "enrichment-worker",
            "com.docker.compose.version": "5.6.1",
            "com.docker.compose.config-hash": "h",
        },
    },
    "HostConfig": {"LogConfig": {"Type": "json-file"}},
    "Mounts": [{"Type": "bind", "Source": "/s", "Destination": "/d"}],
    "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.2"}, "m": {"IPAddress": ""}}},
}


def test_inspect() -> None:
    parsed = parse_inspect(INSPECT)
    assert (parsed.name, parsed.restart_count, parsed.health) == ("p-enrichment-worker-1", 4, "healthy")
    assert str(parsed.started_at) == "2026-11-23T12:00:00.123456789Z"
    assert (parsed.addresses, parsed.stop_timeout_s) == (("172.18.0.2",), 1)


def test_an_address_of_either_kind_is_the_containers() -> None:
    networks = {"Networks": {"n": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::5"}}}
    parsed = parse_inspect({**INSPECT, "NetworkSettings": networks})
    assert parsed.addresses == ("172.18.0.2", "fd00::5")
    assert is_consumer(Consumer("worker", "[fd00::5]:40000"), parsed)


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, 0), ({"mode": "non-blocking"}, 1 << 20), ({"mode": "non-blocking", "max-buffer-size": "64k"}, 65_536)],
)
def test_a_log_driver_that_does_not_wait(options: dict[str, str], size: int) -> None:
    parsed = parse_inspect({**INSPECT, "HostConfig": {"LogConfig": {"Type": "json-file", "Config": options}}})
    assert parsed.log_buffer_bytes == size


@pytest.mark.parametrize(
    ("ended", "before_s"),
    [(None, 30.0), (-60.0, 5.0), (-1.0, 0.5), (-0.2, 0.1), (60.0, 0.25)],
    ids=["its first process", "after a long stop", "after a restart", "after a quick one", "it has ended"],
)
def test_the_first_lines_of_a_process_are_taken_before_its_start_is_noted(ended: float | None, before_s: float) -> None:
    """Some ms (moby 45445), on a busy machine more; but the last lines of the process before are not its own."""
    created = STARTED.plus(-30)
    one = replica(created_at=created, finished_at=None if ended is None else STARTED.plus(ended))
    assert one.logs_since is not None
    assert STARTED.seconds_since(one.logs_since) == pytest.approx(before_s, abs=1e-6)
    assert of_log(one, STARTED) == one.logs_since
    assert of_log(one, STARTED.plus(-5)) == STARTED.plus(-5), "a boundary that is not its start stays"


def test_inspect_of_a_container_that_never_started_and_has_nothing() -> None:
    bare = {
        **INSPECT,
        "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"},
        "Mounts": None,
        "Config": {"Labels": None},
        "HostConfig": {},
        "NetworkSettings": None,
    }
    parsed = parse_inspect(bare)
    assert (parsed.started_at, parsed.health, parsed.mounts, parsed.stop_timeout_s) == (None, "", (), 10)
    assert not parsed.is_running


def health(*results: tuple[str, int, str]) -> Any:
    """A container that started at 12:00:00, with these results of its health check."""
    log = [{"Start": f"2026-11-23T{at}Z", "ExitCode": code, "Output": says} for at, code, says in results]
    state = {**INSPECT["State"], "Health": {"Status": "unhealthy", "Log": log}}  # type: ignore[dict-item]
    return parse_inspect({**INSPECT, "State": state})


def test_a_health_check_whose_program_is_missing_says_nothing() -> None:
    """As captured of the real coordinator, whose image has no pgrep; and as a shell says it."""
    captured = json.loads((CAPTURES / "health/coordinator-program-missing.json").read_text())
    state = {**INSPECT["State"], "Health": captured}  # type: ignore[dict-item]
    one = parse_inspect({**INSPECT, "State": state})
    assert "pgrep" in one.check_cannot_run
    assert not one.is_ill
    assert not health(("12:01:00", 127, "sh: pgrep: not found")).is_ill


def test_a_health_check_that_ran_and_failed_is_an_illness() -> None:
    """Once is enough; what a restart has killed, or an earlier process, does not count."""
    missing = ("12:01:00", -1, "OCI runtime exec failed: executable file not found in $PATH")
    assert health(("12:01:00", -1, "OCI runtime exec failed: exec failed: cannot start: out of memory")).is_ill
    assert health(missing, ("12:02:00", 1, "connection refused")).is_ill
    assert health(("12:01:00", -1, "Health check exceeded timeout (10s)")).is_ill
    assert not health(("11:59:59", 137, ""), missing).is_ill
    for says in ("/bin/sh: 1: pgrep: not found\n", "sh: curl: not found", "bash: line 1: pgrep: command not found"):
        assert not health(("12:01:00", 1, says)).is_ill, "CMD-SHELL pgrep -f worker || exit 1"
        assert health(("12:01:00", 1, f"{says}\nworker: no heartbeat for 300 s")).is_ill
    assert health(("11:59:59", 127, "not found")).is_ill, "of an earlier process: this one has not been asked yet"


@pytest.mark.parametrize(
    ("changes", "running"),
    [({}, True), ({"restarting": True}, False), ({"paused": True}, False), ({"status": "exited"}, False)],
)
def test_restarting_and_paused_are_not_running(changes: dict[str, object], running: bool) -> None:
    """`docker ps | grep` takes `Restarting (1)` for running."""
    assert replica(**changes).is_running is running


def test_an_image_that_an_item_names_needs_no_container() -> None:
    """One that cannot be had leaves none; the old one gets into a new container by its name."""
    item = {"kind": "image", "services": ["enrichment-worker"], "file": "s.yml", "key": "i", "new": "a:2", "old": "a:1"}
    table = phase1('deployment.platform="swarm"', 'deployment.files=["s.yml"]').model_dump()
    profile = Profile.model_validate({**table, "change": [*table["change"], item]})
    assert strategy.decide(profile, ["enrichment-worker"], [], None) is Strategy.SETTING


def test_strategy() -> None:
    """Mounts decide before the build key; neither of them means image; a mixture is refused."""
    assert strategy.decide(phase1(), ["enrichment-worker"], [replica(mounts=BOUND)], BUILT) is Strategy.BIND
    assert strategy.decide(phase1(), ["enrichment-worker"], [replica()], BUILT) is Strategy.BUILD
    assert strategy.decide(phase1(), ["enrichment-worker"], [replica()], PLAIN) is Strategy.IMAGE
    with pytest.raises(Refused, match="bind-mounted in some"):
        strategy.decide(phase1(), ["enrichment-worker"], [replica(mounts=BOUND), replica()], PLAIN)


def test_the_innermost_mount_covers() -> None:
    outer, inner = Mount("bind", "/outer", "/app"), Mount("bind", "/inner", "/app/enrichment_service")
    covered = strategy.covering_mount([outer, inner], "/app/enrichment_service/x.py")
    assert covered
    assert covered.host_path == "/inner/x.py"
    assert strategy.covering_mount([Mount("volume", "/v", "/app")], "/app/x") is None


@pytest.mark.parametrize(
    ("made_by", "version"),
    [("1.29.2", "1.29.2"), ("5.6.1", "5.6.1"), ("5.0.0", "5.6.1"), ("2.26.1", "5.6.1"), ("", "5.6.1")],
)
def test_the_compose_that_made_the_project(made_by: str, version: str) -> None:
    """Else one of its major version, else the newest."""
    candidates = [(("a",), "1.29.2"), (("b",), "5.6.1"), (("c",), "5.10.0"), (("d",), "3.0.0")]
    if version == "5.6.1" and made_by != "5.6.1":
        version = "5.10.0"
    assert compose.choose(candidates, made_by)[1] == version


def test_no_compose_is_refused_and_another_major_is_warned_about() -> None:
    with pytest.raises(Refused, match="no Docker Compose is installed"):
        compose.choose([], "5.6.1")
    assert compose.version_warning("5.6.1", "5.0.0") == ""
    assert "made by Compose 1.29.2, only 5.6.1" in compose.version_warning("5.6.1", "1.29.2")


def test_installed_asks_the_plugin_and_every_docker_compose_on_the_path(tmp_path: Path) -> None:
    """What is missing is passed over; nothing else is run."""
    (tmp_path / "docker-compose").touch()
    answers: dict[tuple[str, ...], str] = {(str(tmp_path / "docker-compose"), "version", "--short"): "1.29.2\n"}

    def runner(argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = "") -> Completed:
        if argv == ("docker", "compose", "version", "--short"):
            raise CommandFailed(argv, "exited with status 1", "docker: 'compose' is not a docker command")
        return Completed(argv, answers[argv], "")

    found = compose.installed(runner, {"PATH": f"{tmp_path}:/nonexistent"})
    assert found == (((str(tmp_path / "docker-compose"),), "1.29.2"),)


def test_a_service_that_is_switched_off_may_lack_its_files() -> None:
    """Compose does not look for the env_file of a profile that is not active (compose 9924)."""
    bound = compose.Compose(("docker-compose",), "5.6.1", "p", ("c.yml",))

    def runner(argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = "") -> Completed:
        if "--profile" in argv:
            raise CommandFailed(argv, "exited with status 1", "env file debug.env not found")
        return Completed(argv, "services:\n  a:\n    image: x\n    post_start: [{command: touch x}]\n", "")

    found = compose.services(bound, runner, Path("/"))
    assert (list(found), found["a"].hooks) == (["a"], ("post_start",))


def test_what_config_prints() -> None:
    text = "services:\n  a:\n    build:\n      context: /srv/p\n    image: x\n  b:\n    image: y\n  c:\n    build: .\n"
    services = compose.parse_config(text)
    assert {n: (s.builds, s.build_context) for n, s in services.items()} == {
        "a": (True, "/srv/p"),
        "b": (False, ""),
        "c": (True, "."),
    }


@pytest.mark.parametrize("text", ["", "nonsense", "services: [", "services:\n  - a"])
def test_something_else_than_a_compose_file_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not a Compose file"):
        compose.parse_config(text)


def made(**changes: Any) -> compose.Compose:
    return compose.bind(phase1().deployment, replica(**changes), ("docker-compose",), "5.6.1")


def test_compose_gets_the_files_that_made_the_project() -> None:
    """Override and environment files too: without them a recreate would change more than the change."""
    one = made(config_files="/p/docker-compose.yml,/p/override.yml", environment_files="/p/prod.env")
    command = (
        "-p ocr_metadata_extraction --env-file /p/prod.env -f /p/docker-compose.yml -f /p/override.yml --profile *"
    )
    assert " ".join(one.base[1:]) == command
    assert made().files == ("docker-compose.yml",)


def test_compose_looks_up_paths_from_where_the_project_was_made(tmp_path: Path) -> None:
    """Given --project-directory, or called from a folder of its own: `./data` and `.env` are another one elsewhere."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/c.yml").touch()
    here = phase1(f"deployment.project_directory={tmp_path}").deployment

    def bound(made_in: Path, files: str) -> str:
        one = replica(made_in=str(made_in), config_files=files)
        return " ".join(compose.bind(here, one, ("docker-compose",), "5.6.1").base[3:])

    given = bound(tmp_path, f"{tmp_path}/deploy/c.yml")
    assert given == f"--project-directory {tmp_path} -f {tmp_path}/deploy/c.yml --profile *"
    assert bound(tmp_path / "deploy", f"{tmp_path}/deploy/c.yml") == f"-f {tmp_path}/deploy/c.yml --profile *"
    assert bound(tmp_path / "deploy", "c.yml") == f"-f {tmp_path}/deploy/c.yml --profile *", "as Compose 1.29 keeps it"


def test_every_up_is_of_its_services_only() -> None:
    """No dependency, no pull, nobody's orphans, and as many as ran; v1 knows neither of two options."""
    up = " ".join(made().recreate({"a": 3}))
    assert up.endswith("up -d --no-deps --no-build --force-recreate --pull never --remove-orphans=false --scale a=3 a")
    old = compose.Compose(("docker-compose",), "1.29.2", "p", ("f",))
    assert " ".join(old.start_missing({"a": 3})).endswith("up -d --no-deps --no-build --no-recreate --scale a=3 a")
    assert "--profile" in made().config()
    assert "--profile" not in old.config()


@pytest.mark.parametrize(
    ("version", "tells", "pulls"),
    [
        ("1.29.2", True, False),
        ("2.5.0", False, False),
        ("2.26.1", False, True),
        ("2.29.3", True, True),
        ("5.6.1", True, True),
    ],
)
def test_what_versions_of_compose_can_do(version: str, tells: bool, pulls: bool) -> None:
    """Between 2.0 and 2.29.2 a label is not what `config --hash` says; before 2.6 `up` knows no --pull."""
    assert compose.tells_hashes(version) is tells
    one = compose.Compose(("docker-compose",), version, "p", ("f",))
    assert ("--pull" in one.recreate({"a": 1})) is pulls


def test_children_get_an_environment_of_names_that_are_allowed() -> None:
    environ = {"PATH": "/bin", "LC_ALL": "C", "GIT_DIR": "/x", "COMPOSE_FILE": "y", "DOCKER_CONTEXT": "z", "TAG": "1"}
    assert allowed(environ) == {"PATH": "/bin", "LC_ALL": "C"}
    assert allowed(environ, ["TAG"])["TAG"] == "1"


def engine(*ids: str) -> Engine:
    """One that gives these ids, one after the other."""
    infos = iter([{"ID": one} for one in ids])
    client = SimpleNamespace(info=lambda: next(infos))
    return Engine(client, "unix:///p.sock", engines.lasting_id(client, "unix:///p.sock"), {})  # type: ignore[arg-type]


def test_an_engine_whose_id_does_not_last_is_known_by_its_address() -> None:
    """Podman gives another one each time: then the command line is asked for one of the containers."""
    podman, docker = engine("a", "b"), engine("a", "a")
    assert (podman.id, docker.id) == ("at unix:///p.sock", "a")

    def says(answer: str) -> Any:
        return lambda argv, **_: Completed(argv, f"{answer}\n", "")

    assert engines.is_command_line_of(docker, says("a"), "c") == ""
    assert engines.is_command_line_of(docker, says("b"), "c") == "b"
    assert engines.is_command_line_of(podman, says("c"), "c") == ""

    def knows_none(argv: tuple[str, ...], **_: Any) -> Completed:
        raise CommandFailed(argv, "exited with status 1", "No such object")

    assert "does not know" in engines.is_command_line_of(podman, knows_none, "c")


def _archive(*members: tuple[str, str]) -> Engine:
    """`members`: name, and the link's target ("" for a file). An engine that hands them out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = (tarfile.SYMTYPE, target) if target else (tarfile.REGTYPE, "")
            archive.addfile(member, io.BytesIO(b""))
    client = SimpleNamespace(api=SimpleNamespace(get_archive=lambda *_: ([out.getvalue()], {})))
    return Engine(client, "h", "i", {})  # type: ignore[arg-type]


def test_code_behind_a_link_is_never_silently_missing() -> None:
    """A partial verify would take modules for unused that are used behind it."""
    inside = _archive(("app/a.py", ""), ("app/b.py", "a.py"), ("app/data", "a.py"))
    assert set(python_files_in(inside, "c", "/app")) == {"a.py", "b.py"}
    for link in (("app/b.py", "../other/b.py"), ("app/vendor", "/opt/vendor"), ("app/sub", ".")):
        with pytest.raises(Unreachable, match="is a symbolic link to"):
            python_files_in(_archive(("app/a.py", ""), link), "c", "/app")
