"""Checks of a team's own, on a real engine: a failure that was measured is NO-GO, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from textwrap import dedent

import pytest

from lab import example
from lab.operator import settings
from lab.team import QUICK, Team, example_of
from tests.e2e.conftest import project_of


class Checking(Team):
    """One deployment that is rolled back."""

    def verify(self, check: str, name: str = "test_it.py") -> tuple[int, str]:
        """With one check instead of the example's."""
        folder = self.one.directory / "checks"
        shutil.rmtree(folder, ignore_errors=True)
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(dedent(check))
        return self.invoke("verify")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checking]:
    folder = tmp_path_factory.mktemp("own")
    one = example_of("api", folder, project_of("own", folder))
    with example.running(one):
        made = Checking(one, folder / "reports")
        ended = made.operator.invoke("rollback", *settings(*QUICK))
        assert ended.status == 0, ended.output
        yield made


def test_one_that_holds_is_a_fifth_section(team: Checking) -> None:
    """Of each replica of its service; the gate's own fixtures are there."""
    status, said = team.verify(
        """
        def test_it(host, service, replica, since):
            "The API answers, and was started before the boundary."
            assert service == "api"
            assert host.file("/srv/app/api.py").exists
            assert replica.is_running
            assert since.tzinfo is not None
        """,
        "api/test_it.py",
    )
    assert status == 0, said
    assert "GO (4 of 5)" in said
    assert "Checks of our own: all of them hold (1 of 1 assertions)" in said
    record = team.operator.newest_record()
    assert [finding["check"] for finding in record["findings"]][-1] == "own"
    assert "Checks of our own" in (record["folder"] / "report.html").read_text()
    gate = team.operator.invoke("gate", "--accept-partial", *settings(*QUICK))
    assert gate.status == 0, gate.output
    path = team.one.directory / "checks" / "api" / "test_it.py"
    path.write_text(path.read_text() + "# another one now\n")
    closed = team.operator.invoke("gate", "--accept-partial", *settings(*QUICK))
    assert (closed.status, "judged by other tests" in closed.output) == (20, True), closed.output


@pytest.mark.parametrize(
    ("name", "check", "status", "words"),
    [
        (
            "an assertion that fails",
            """
            def test_it(host):
                "It has no trace of the change."
                assert not host.file("/srv/app/api.py").exists
            """,
            10,
            "not so: It has no trace of the change",
        ),
        (
            "an assertion of a helper in another place",
            """
            def test_it(host):
                "The package is there."
                host.check_output("false")
            """,
            20,
            "it ended with AssertionError",
        ),
        (
            "a program that is not there",
            """
            def test_it(host):
                "Nothing listens."
                assert "8000" not in host.run("ss -ltn").stdout
            """,
            20,
            "could not be run in",
        ),
        (
            "a container that dies",
            """
            def test_it(host):
                "The module of the change is gone."
                try:
                    host.run("kill -9 1; kill -TERM 1; sleep 2")
                except Exception:
                    pass
                import subprocess
                subprocess.run(["docker", "restart", "-t", "0", host.backend.hostname], check=True)
                assert not host.file("/srv/new_module.py").exists
            """,
            20,
            "was restarted meanwhile",
        ),
        (
            "a skipped one",
            """
            import pytest

            def test_it(host):
                pytest.skip("not today")
            """,
            20,
            "without a conclusion",
        ),
        (
            "an expected failure",
            """
            import pytest

            @pytest.mark.xfail
            def test_it(host):
                assert False
            """,
            10,
            "not so: it",
        ),
        (
            "one that raises",
            """
            def test_it(host):
                "It is there."
                raise ValueError("an error of the check itself")
            """,
            20,
            "an error of the check itself",
        ),
        ("a file that cannot be loaded", "import nothing_of_that_name\n\ndef test_it(host): pass\n", 20, "did not run"),
        ("no Python", "def test_it(host:\n", 20, "cannot be read as Python"),
        ("no check", "def check_it(host): pass\n", 20, "it has no function whose name begins with test_"),
        ("a class", "class TestIt:\n    def test_it(self, host): pass\n", 20, "TestIt is no plain function"),
        ("the end of the process", "import sys\nsys.exit('no token')\ndef test_it(host): pass\n", 20, "did not run"),
        (
            "several in one",
            """
            import pytest

            @pytest.mark.parametrize("port", [1, 2])
            def test_it(host, port): pass
            """,
            20,
            "is parametrized",
        ),
        (
            "documents, without a database",
            "def test_it(documents):\n    assert not documents\n",
            20,
            "the profile has no section",
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and len(value) < 50 else "",
)
def test_what_was_not_measured_is_never_an_answer(
    team: Checking, name: str, check: str, status: int, words: str
) -> None:
    ended, said = team.verify(check)
    assert (ended, words in said) == (status, True), f"{name}: {said}"


def test_a_command_that_hangs_ends_with_its_limit(team: Checking) -> None:
    """Inside the container, too: nothing is left running there."""
    status, said = team.verify(
        """
        def test_it(host):
            "It sleeps."
            host.backend._limit_s = 1
            host.run("sleep 600; true")
        """,
        "api/test_it.py",
    )
    assert (status, "did not end within 1 s" in said) == (20, True), said
    left = team.one.run("docker", "exec", f"{team.one.project}-api-1", "sh", "-c", "cat /proc/[0-9]*/cmdline")
    assert "sleep\x00600" not in left


def test_a_no_go_of_the_four_stays_one(team: Checking) -> None:
    """Whatever the team's own checks do: here one that never ends is killed with its process."""
    path = team.one.directory / ".env"
    was = path.read_text()
    path.write_text("WORKER_BATCH=50\n")
    try:
        status, said = team.verify("import os\n\ndef test_it(host):\n    os._exit(0)\n")
    finally:
        path.write_text(was)
    assert (status, "WORKER_BATCH in .env holds the change's value" in said) == (10, True), said
    record = team.operator.newest_record()
    assert "NO-GO" in (record["folder"] / "report.html").read_text().partition("</title>")[0]
