"""Settings and images on a real engine: what a hostile reviewer tried, each on a small project of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from lab.images import BASE
from lab.operator import Operator
from lab.reference import Lab, default_compose

LIMITS = ("limits.soak_s=1", "limits.health_s=5", "limits.start_s=20")
RUNS = """
    image: {image}
    init: true
    command: python3 -uc 'import time; print("INFO:listening"); time.sleep(9999)'
"""
PROFILE = """
format = 3
name = "small"
title = "A small change"
not_asked = {{ processing = "it has no queue", completeness = "it has no score" }}

[deployment]
project_directory = "{directory}"
project = "{project}"

{items}

[services]
{services}

[logs]
consuming = 'INFO:listening'
error = '^ERROR:'
"""


class Small:
    """One project; `images`: names that it has made, and that are removed again."""

    def __init__(self, folder: Path, project: str) -> None:
        self.directory, self.project = folder / "project", project
        self.directory.mkdir(mode=0o755)
        self.operator = Operator(cast(Lab, self), folder / "reports")  # of a lab, only the profile is used
        self.images: list[str] = []
        self.program, self.file = default_compose(), "compose.yaml"

    @property
    def profile(self) -> Path:
        return self.directory / "here.toml"

    def write(self, compose: dict[str, str], items: str, env: str = "") -> None:
        """`compose`: by service, what it has besides an image and a command that runs."""
        runs = RUNS.format(image=f"{BASE}:latest")
        services = "".join(
            f"  {name}:{'' if 'image:' in more else runs}{more if more.startswith(chr(10)) else f'    {more}'}\n"
            for name, more in compose.items()
        )
        head = "version: '3.8'\n" if self.file != "compose.yaml" else ""
        (self.directory / self.file).write_text(f"{head}services:\n{services}")
        (self.directory / ".env").write_text(env)
        listed = [name for name in compose if name in ("worker", "api")]
        text = PROFILE.format(
            directory=self.directory,
            project=self.project,
            items=items,
            services="\n".join(f'{name} = {{ root = "/srv" }}' for name in listed),
        )
        self.profile.write_text(text)

    def run(self, *command: str, **environ: str) -> str:
        done = subprocess.run(
            command, cwd=self.directory, env={**os.environ, **environ}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def compose(self, *arguments: str, **environ: str) -> str:
        return self.run(self.program, "-p", self.project, *arguments, **environ)

    def up(self, *arguments: str, **environ: str) -> None:
        self.compose("up", "-d", "--pull", "never", "--timeout", "1", *arguments, **environ)

    def env(self) -> str:
        return (self.directory / ".env").read_text()

    def of(self, service: str, name: str) -> str:
        """A variable of a service's process."""
        return self.compose("exec", "-T", service, "sh", "-c", f'echo "${name}"')

    def build(self, image: str, content: str) -> str:
        """The id of a new image whose only file is this."""
        (self.directory / "Dockerfile").write_text(f"FROM {BASE}\nRUN mkdir -p /srv; echo {content} > /srv/content\n")
        self.run("docker", "build", "-q", "-t", image, ".")
        self.images.append(image)
        return self.run("docker", "image", "inspect", image, "-f", "{{.Id}}")

    def invoke(self, *arguments: str, **environ: str) -> tuple[int, str]:
        ended = self.operator.invoke(
            *arguments, *(part for one in LIMITS for part in ("--set", one)), COLUMNS="300", **environ
        )
        return ended.status, ended.output


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = Small(tmp_path, f"e2e-small-{tmp_path.name[-10:].strip('_').lower()}")
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
        if made.images:
            subprocess.run(["docker", "rmi", "-f", *made.images], capture_output=True, check=True)


def setting(key: str, new: str, old: str | None, services: str = '["worker"]', file: str = ".env") -> str:
    was = "" if old is None else f"old = '{old}'\n"
    return f"[[change]]\nkind = 'setting'\nservices = {services}\nfile = '{file}'\nkey = '{key}'\nnew = '{new}'\n{was}"


def image(old: str, new: str, more: str = "") -> str:
    return f"[[change]]\nkind = 'image'\nservices = ['worker']\nold = '{old}'\nnew = '{new}'\n{more}"


def given(name: str, value: str) -> str:
    return f"environment:\n      {name}: {value}"


BATCH = {"worker": given("BATCH", "${BATCH}")}
OLD_CODE = "code.py.backup.20261101_090000"
CODE = """[[change]]
kind = "file"
services = ["SERVICE"]
path = "code.py"
backups = "code.py.backup.*"
new = ["NEWMARK"]
old = ["OLDMARK"]
"""


def test_an_added_setting_that_has_another_name_in_the_container(small: Small) -> None:
    """NO-GO by the file, not GO by a variable that could not be there; and reverted through the default."""
    small.write(
        {"worker": given("APP_FEATURE", "${FEATURE:-off}")}, setting("FEATURE", "on", None), "FEATURE=on\nX=1\n"
    )
    small.up()
    status, said = small.invoke("verify")
    assert (status, "FEATURE in .env holds the change's value" in said) == (10, True), said
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said
    assert (small.env(), small.of("worker", "APP_FEATURE")) == ("X=1\n", "off")
    (small.directory / ".env").write_text("FEATURE=on\n")
    small.up("--force-recreate")
    (small.directory / ".env").write_text("X=1\n")
    status, said = small.invoke("verify")
    assert status == 20, f"not made anew, and nothing shows the value: {said}"


def test_a_value_with_variables_keeps_them(small: Small) -> None:
    small.write({"worker": given("DATA", "${DATA}")}, setting("DATA", "${B}/v2", "${B}/v1"), "B=/data\nDATA=${B}/v2\n")
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said
    assert (small.env(), small.of("worker", "DATA")) == ("B=/data\nDATA=${B}/v1\n", "/data/v1")


@pytest.mark.parametrize("old", ["012", "1.0", "", "true", "a: b # c"])
def test_a_text_in_yaml_stays_a_text(small: Small, old: str) -> None:
    key = "services.worker.environment.MODE"
    small.write({"worker": given("MODE", "fast")}, setting(key, "fast", old, file="compose.yaml"))
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said
    assert small.of("worker", "MODE") == old
    small.up("--force-recreate", MODE="fast")
    assert small.of("worker", "MODE") == old


def test_compose_1_too(small: Small) -> None:
    """Debian's; its file has another name."""
    small.program, small.file = "/usr/bin/docker-compose", "docker-compose.yml"
    small.write(BATCH, setting("BATCH", "50", "a $$b c"), "BATCH=50\n")
    small.compose("up", "-d")
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said
    assert small.invoke("rollback.undo")[0] == 0
    assert small.of("worker", "BATCH") == "50"
    status, said = small.invoke("verify")
    assert status == 10, said


def test_another_service_of_the_same_file_is_told(small: Small) -> None:
    """Under another name, and not in the profile: it still runs with the change's value."""
    small.write({**BATCH, "beat": given("BEAT_BATCH", "${BATCH}")}, setting("BATCH", "50", "20"), "BATCH=50\n")
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert (status, "beat is not what Compose makes of .env now" in said) == (20, True), said
    small.up()
    status, said = small.invoke("verify")
    assert status == 0, said


def test_a_variable_of_the_same_name_in_a_listed_service_is_its_own(small: Small) -> None:
    compose = {"worker": given("DEBUG", "${DEBUG}"), "api": "environment:\n      DEBUG: 'true'\n      LIMIT: ${LIMIT}"}
    items = setting("DEBUG", "true", "false") + setting("LIMIT", "9", "3", '["api"]')
    small.write(compose, items, "DEBUG=true\nLIMIT=9\n")
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said


def test_undo_after_a_correction_by_hand_ends(small: Small) -> None:
    """The file was right before the run, and no container was made of it: undo restores the file, and loops no more."""
    small.write(BATCH, setting("BATCH", "50", "20"), "BATCH=50\n")
    small.up()
    (small.directory / ".env").write_text("BATCH=20\n")
    for command in ("rollback", "rollback.undo", "rollback"):
        status, said = small.invoke(command)
        assert status == 0, f"{command}: {said}"
    assert small.of("worker", "BATCH") == "20"


def test_undo_of_a_run_that_had_not_written_all_yet(small: Small) -> None:
    """Stopped between two files: what somebody has written into the second since is nothing that it could lose."""
    compose = {"worker": "environment:\n      MODE: fast\n      BATCH: ${BATCH}"}
    mode = setting("services.worker.environment.MODE", "fast", "slow", file="compose.yaml")
    small.write(compose, mode + setting("BATCH", "50", "20"), "BATCH=50\n")
    small.up()
    limits = (part for one in LIMITS for part in ("--set", one))
    stopped = small.operator.invoke("rollback", "--step", *limits, answers="y\nstop\n")
    assert stopped.status == 30, stopped.output
    (small.directory / ".env").write_text("BATCH=50\nY=2\n")
    status, said = small.invoke("rollback.undo", "--accept-diff")
    assert (status, small.env()) == (0, "BATCH=50\nY=2\n"), said
    assert (small.of("worker", "BATCH"), small.of("worker", "MODE")) == ("50", "fast")


def test_what_others_write_meanwhile_stays(small: Small) -> None:
    """The command of [[keep]] plays the other writer: it runs after preflight, before the file is written."""
    keep = "[[keep]]\nsays = 'a writer'\ncheck = ['sh', '-c', 'grep -q ^Y .env || echo Y=2 >> .env']\n"
    small.write(BATCH, setting("BATCH", "50", "20") + keep, "BATCH=50\nX=1\n")
    small.up()
    status, said = small.invoke("rollback")
    assert status == 0, said
    assert small.env() == "BATCH=20\nX=1\nY=2\n"


def test_values_are_neither_printed_nor_recorded(small: Small) -> None:
    """And a gate that cannot ask Compose is closed: of a setting, the configuration is the change."""
    small.write({"worker": given("DSN", "${DSN}")}, setting("DSN", "newS3cret", "oldS3cret"), "DSN=newS3cret\n")
    small.up()
    for command in (("rollback", "--dry-run"), ("rollback", "verify"), ("profile.show",)):
        status, said = small.invoke(*command)
        assert (status, "S3cret" in said) == (0, False), said
    for path in (*small.operator.reports.rglob("*.*"), *small.directory.rglob("journal.jsonl")):
        assert b"S3cret" not in path.read_bytes(), path
    status, said = small.invoke("gate", "--accept-partial")
    assert status == 0, said
    programs = small.directory.parent / "bin"
    programs.mkdir()
    for name in ("docker", "git", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    status, said = small.invoke("gate", "--accept-partial", PATH=str(programs))
    assert (status, "whether a new container would get the old values is unknown" in said) == (20, True), said


def test_a_moved_name_is_given_back_its_image(small: Small) -> None:
    """And a service that is not in the profile, of the same name, is told."""
    old, new = small.build("small-app:1", "old"), small.build("small-app:latest", "new")
    runs = RUNS.format(image="small-app:latest")
    small.write({"worker": runs, "beat": runs}, image(old, "small-app:latest"))
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert (status, "beat runs with the change's image small-app" in said) == (20, True), said
    assert small.compose("exec", "-T", "worker", "cat", "/srv/content") == "old"
    small.up()
    status, said = small.invoke("verify")
    assert status == 0, said
    small.run("docker", "tag", new, "small-app:latest")
    status, said = small.invoke("verify")
    assert status != 0, said


def test_a_name_that_the_next_up_fetches_anew_is_not_go(small: Small) -> None:
    old = small.build("small-app:1", "old")
    small.build("small-app:latest", "new")
    small.write(
        {"worker": RUNS.format(image="small-app:latest") + "    pull_policy: always"}, image(old, "small-app:latest")
    )
    small.up()
    status, said = small.invoke("rollback", "verify")
    assert (status, "pull_policy: always" in said) == (20, True), said


def test_what_cannot_be_written_as_a_tag_is_not_written(small: Small) -> None:
    old = small.build("small-app:1", "old")
    small.build("small-app:2", "new")
    where = "file = '.env'\nkey = 'TAG'\n"
    small.write({"worker": RUNS.format(image="small-app:${TAG}")}, image(old, "small-app:2", where), "TAG=2\n")
    small.up()
    status, said = small.invoke("rollback")
    assert (status, small.env()) == (50, "TAG=2\n"), said


def test_undo_without_the_image_of_the_change_is_refused(small: Small) -> None:
    small.build("small-app:1", "old")
    small.build("small-app:2", "new")
    where = "file = '.env'\nkey = 'TAG'\n"
    small.write(
        {"worker": RUNS.format(image="small-app:${TAG}")}, image("small-app:1", "small-app:2", where), "TAG=2\n"
    )
    small.up()
    assert small.invoke("rollback")[0] == 0
    small.run("docker", "rmi", "small-app:2")
    status, said = small.invoke("rollback.undo")
    assert (status, small.env()) == (50, "TAG=1\n"), said


def with_code(small: Small, compose: dict[str, str], items: str) -> None:
    small.write(compose, items, "BATCH=50\nX=1\n")
    (small.directory / "code.py").write_text("NEWMARK = 1\n")
    (small.directory / OLD_CODE).write_text("OLDMARK = 1\n")


def test_a_second_rollback_keeps_the_chosen_source(small: Small) -> None:
    """Also when something else was written beside the setting."""
    compose = {"worker": given("BATCH", "${BATCH}") + "\n    volumes: ['./code.py:/srv/code.py:ro']"}
    with_code(small, compose, CODE.replace("SERVICE", "worker") + setting("BATCH", "50", "20"))
    (small.directory / "code.py.backup.20261001_090000").write_text("OLDMARK = 1  # the right one\n")
    small.up()
    assert small.invoke("rollback", "--backup", "code.py.backup.20261001_090000")[0] == 0
    (small.directory / ".env").write_text(small.env() + "Y=2\n")
    status, said = small.invoke("rollback", "verify")
    assert status == 0, said
    assert "the right one" in (small.directory / "code.py").read_text()


def building(small: Small, worker: str) -> None:
    api = RUNS.format(image="small-api:latest") + "    build: ."
    removed = "[[change]]\nkind = 'removed'\nservices = ['worker']\npath = 'gone.py'\n"
    with_code(small, {"worker": worker, "api": api}, CODE.replace("SERVICE", "api") + removed)
    (small.directory / "Dockerfile").write_text(f"FROM {BASE}\nCOPY code.py /srv/code.py\n")
    small.images.append("small-api:latest")
    small.up("--build")


def test_a_service_without_a_container_is_not_started_from_the_change(small: Small) -> None:
    building(small, given("A", "1"))
    small.compose("rm", "-sf", "api")
    status, said = small.invoke("rollback")
    assert (status, "api has no container" in said) == (50, True), said


def test_a_service_that_is_not_built_is_restarted_as_it_is(small: Small) -> None:
    """Its image's name and its settings have moved on meanwhile, which is nobody's business here."""
    was = small.build("small-worker:latest", "this")
    building(small, RUNS.format(image="small-worker:latest") + "    environment:\n      LIMIT: ${BATCH}")
    small.run("docker", "tag", BASE, "small-worker:latest")
    (small.directory / ".env").write_text("BATCH=77\n")
    status, said = small.invoke("rollback")
    assert status == 0, said
    assert small.of("worker", "LIMIT") == "50"
    assert small.run("docker", "inspect", f"{small.project}-worker-1", "-f", "{{.Image}}") == was
