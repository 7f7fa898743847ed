"""A request to the service itself, and its ready conditions, against real servers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollback_gate.errors import CommandFailed, CommandTimedOut
from rollback_gate.evidence import readiness
from rollback_gate.evidence.answered import Answered
from rollback_gate.evidence.request import Errand, sent
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner
from rollback_gate.platform.engine import Engine
from rollback_gate.profile.answers import CommandRequest, HttpRequest, ReadyHealth, ReadyHttp, ReadyTcp
from tests.unit.builders import replica
from tests.unit.evidence.adapters.servers import closed, http, silent


def ask(wanted: HttpRequest | CommandRequest) -> Answered | Unmeasured:
    times = iter(range(10_000))
    errand = Errand("rollback-probe-x", lambda: next(times) / 20, lambda _: None)
    return sent(wanted, errand, lambda _: SubprocessRunner({"PATH": "/usr/bin:/bin"}))


def over_http(address: str, **more: Any) -> Answered | Unmeasured:
    return ask(HttpRequest.model_validate({"kind": "http", "url": f"http://{address}/jobs", "limit_s": 5, **more}))


def test_it_is_sent_as_a_client_would_and_removed_again() -> None:
    """The id is filled in at every depth; the answer is polled until it is done; what it left is deleted."""
    received: list[bytes] = []
    asked: list[str] = []

    def answer(path: str) -> str:
        asked.append(path)
        return '{"state": "done"}' if asked.count(path) > 1 or path == "/jobs" else '{"state": "queued"}'

    with http(200, answer, received) as address:
        found = over_http(
            address,
            body={"id": "{id}", "parts": [{"of": "{id}"}]},
            answer="state",
            poll=f"http://{address}/jobs/{{id}}",
            done='"done"',
        )
    assert found == Answered(True, f"POST http://{address}/jobs answers 200 OK; then it is done")
    assert received[0] == b'{"id": "rollback-probe-x", "parts": [{"of": "rollback-probe-x"}]}'
    assert asked == ["/jobs", "/jobs/rollback-probe-x", "/jobs/rollback-probe-x"]


@pytest.mark.parametrize(
    ("status", "more", "is_fine", "words"),
    [
        (200, {}, True, "answers 200"),
        (500, {}, False, "answers 500"),
        (404, {"accepts": [404]}, True, "answers 404"),
        (200, {"answer": "ready"}, False, "its text does not have 'ready'"),
        (200, {"answer": "well"}, True, "answers 200"),
    ],
)
def test_an_answer_is_judged_by_its_status_and_text(
    status: int, more: dict[str, Any], is_fine: bool, words: str
) -> None:
    with http(status, "all is well") as address:
        found = over_http(address, **more)
    assert isinstance(found, Answered)
    assert (found.is_fine, words in found.says) == (is_fine, True), found.says


def test_what_is_never_done_is_a_failure() -> None:
    with http(200, "queued") as address:
        found = over_http(address, poll=f"http://{address}/x", done="finished")
    assert isinstance(found, Answered)
    assert not found.is_fine
    assert "not done within 5 s, the last answer: 200 'queued'" in found.says


def test_a_poll_that_nobody_answers_is_no_failure() -> None:
    with http(200, "queued") as address, closed() as nobody:
        assert isinstance(over_http(address, poll=f"http://{nobody}/x", done="finished"), Unmeasured)


def test_what_is_not_removed_is_told() -> None:
    """DELETE is not known to this server."""
    with http(200, "fine") as address:
        found = over_http(address, remove=f"http://{address}/jobs/{{id}}")
    assert found == Answered(
        True, f"POST http://{address}/jobs answers 200 OK", f"http://{address}/jobs/rollback-probe-x was not removed"
    )


@pytest.mark.parametrize("server", [closed, silent])
def test_no_answer_is_unmeasured(server: Callable[[], Any]) -> None:
    """From here: it may answer its clients."""
    with server() as address:
        assert isinstance(over_http(address, limit_s=0.5), Unmeasured)


def command(**more: list[str]) -> Answered | Unmeasured:
    return ask(CommandRequest.model_validate({"kind": "command", "send": ["true"], "limit_s": 2, **more}))


def test_commands_send_wait_and_clean() -> None:
    python = sys.executable
    assert command() == Answered(True, "`true`")
    assert command(done=["true"], clean=["true"]) == Answered(True, "`true`; then it is done")
    never = command(done=[python, "-c", "import sys; print('not yet'); sys.exit(1)"], clean=["false"])
    assert isinstance(never, Answered)
    assert not never.is_fine
    assert "not yet" in never.says
    assert "`false` exited with status 1" in never.left
    assert isinstance(command(send=["false"]), Unmeasured)
    assert isinstance(command(send=["./none"]), Unmeasured)
    assert isinstance(command(done=["./none"]), Unmeasured), "it could not be asked, which is no answer"
    assert isinstance(command(done=[python, "-c", "import sys; sys.exit(2)"]), Unmeasured)
    with_id = command(send=["test", "{id}", "=", "rollback-probe-x"])
    assert isinstance(with_id, Answered)


def test_an_answer_is_not_taken_back_by_one_that_the_limit_would_cut_off() -> None:
    """A command that takes 0.4 s, asked every 0.5 s for 2 s: the third one would be left 0.2 s."""
    at = [0.0]

    def sleep(seconds: float) -> None:
        at[0] += seconds

    def runner(argv: tuple[str, ...], timeout_s: float) -> str:
        if argv[0] == "send":
            return ""
        took = min(0.4, timeout_s)
        at[0] += took
        if took < 0.4:
            raise CommandTimedOut(argv, "did not end", "")
        raise CommandFailed(argv, "exited with status 1", "not yet", exit_status=1)

    wanted = CommandRequest.model_validate({"kind": "command", "send": ["send"], "done": ["done"], "limit_s": 2})
    found = Errand("x", lambda: at[0], sleep).by_command(wanted, runner)  # type: ignore[arg-type]
    assert isinstance(found, Answered)
    assert not found.is_fine


def ready(condition: Any, **state: Any) -> str | Unmeasured:
    return readiness.why_not(condition, [replica(**state)], cast(Engine, SimpleNamespace()))


def test_a_service_is_ready_by_its_own_condition() -> None:
    health = ReadyHealth(kind="health")
    assert ready(health, health="healthy") == ""
    assert "is starting" in str(ready(health, health="starting"))
    assert isinstance(ready(health, health=""), Unmeasured)
    nobody = readiness.why_not(health, [], cast(Engine, SimpleNamespace()))
    assert isinstance(nobody, Unmeasured), "of no container nothing is ready"
    with http(200, "") as address:
        assert ready(ReadyHttp(kind="http", url=f"http://{address}/")) == ""
        assert ready(ReadyTcp(kind="tcp", address=address)) == ""
    with http(503, "") as address:
        assert "answers 503" in str(ready(ReadyHttp(kind="http", url=f"http://{address}/")))
    with closed() as address:
        assert isinstance(ready(ReadyHttp(kind="http", url=f"http://{address}/")), Unmeasured)
        assert isinstance(ready(ReadyTcp(kind="tcp", address=address)), Unmeasured)
