"""A log as the engine gives it: followed, cut at its beginning, or emptied meanwhile."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_gate.evidence import logs
from rollback_gate.evidence.log_lines import LogReader, LogSummary
from rollback_gate.instant import Instant
from rollback_gate.platform.engine import Engine
from tests.unit.builders import STARTED, phase1, replica
from tests.unit.rollback.docker_api import Answer

FORMS = phase1().logs


@dataclass
class Log:
    """An engine that has these lines."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    damaged_at: int | None = None
    base_url: str = "http://engine"
    api_version: str = "1.41"

    def add(self, *texts: str) -> None:
        self.lines += [(len(self.lines) + n + 1.0, text) for n, text in enumerate(texts)]

    def _texts(self) -> list[bytes]:
        return [f"{STARTED.plus(at)} {text}\n".encode() for at, text in self.lines]

    def get(self, _: str, params: dict[str, str], **__: Any) -> Answer:
        since, tail = float(params.get("since", 0)), int(params.get("tail", 10**6))
        known = list(zip(self._texts(), self.lines, strict=True))
        if self.damaged_at is not None:  # it stops there, without an error
            known = known[self.damaged_at :] if "tail" in params else known[: self.damaged_at]
        rows = [text for text, (at, _) in known if STARTED.plus(at).epoch_s >= since][-tail:]
        frames = [b"\x02\0\0\0" + len(row).to_bytes(4) + row for row in rows]
        return Answer(b"".join(f"{len(f):x}\r\n".encode() + f + b"\r\n" for f in frames) + b"0\r\n\r\n")


def following(log: Log, since: float = 0) -> logs.Follower:
    engine = Engine(SimpleNamespace(api=log), "unix:///x", "e", {})  # type: ignore[arg-type]
    return logs.Follower(engine, replica(), LogReader(FORMS, STARTED.plus(since)))


def read(follower: logs.Follower) -> LogSummary:
    found = follower.read(Instant(0))
    assert isinstance(found, LogSummary), found
    return found


def test_what_is_new_is_read_on() -> None:
    log = Log()
    follower = following(log)
    assert read(follower).lines == 0
    log.add("one", "two")
    assert read(follower).lines == 2
    log.add(*(f"line {n}" for n in range(500)))
    found = read(follower)
    assert (found.lines, found.shrank) == (502, False)


def test_lines_are_followed_by_their_place() -> None:
    """stdout and stderr are stamped out of order by a few ms; a clock that is set back stamps before the start."""
    log = Log()
    log.add("one", "two")
    follower = following(log)
    read(follower)
    log.lines += [(1.999, "ERROR:worker:stamped a little before the last one"), (2.0, "ERROR:worker:at the same time")]
    log.lines += [(-3600.0 + n, f"ERROR:worker:an hour back, {n}") for n in range(300)]
    found = read(follower)
    assert (found.lines, found.errors, found.shrank) == (304, 302, False)
    assert read(follower).lines == 304, "nothing is read twice"


def test_a_first_line_in_no_encoding_is_followed_too() -> None:
    """Its replacement would not be found again, and lines be called lost."""

    class Odd(Log):
        def _texts(self) -> list[bytes]:
            return [text.replace(b"one", b"\xff") for text in super()._texts()]

    log = Odd()
    follower = following(log)
    read(follower)
    log.add("one")
    read(follower)
    assert (read(follower).lines, read(follower).shrank) == (1, False)


def test_the_oldest_line_is_of_any_process() -> None:
    """Also before the boundary: then nothing since it is gone."""
    log = Log()
    log.add("one", "two", "three")
    assert read(following(log, since=2.5)).begins_at == STARTED.plus(1)
    del log.lines[0]
    assert read(following(log)).begins_at == STARTED.plus(2)
    assert read(following(Log())).begins_at is None


@pytest.mark.parametrize("emptied", [True, False])
def test_lines_that_went_while_it_was_followed(emptied: bool) -> None:
    """`truncate -s 0`, or a rotation between two looks: the last line that was read is not there any more."""
    log = Log()
    log.add("one", "two")
    follower = following(log)
    read(follower)
    log.lines = [] if emptied else [(9.0, "nine")]
    assert read(follower).shrank
    log.add("later")
    assert read(follower).shrank, "it is remembered"


def test_what_lies_behind_a_damaged_place_is_not_nothing() -> None:
    """After a power loss a log can hold zeros: `docker logs` ends there, with exit status 0 (moby 53631)."""
    log = Log()
    log.add("one", *["ERROR:worker:boom"] * 12)
    log.damaged_at = 1
    found = read(following(log))
    assert found.shrank, found


@pytest.mark.parametrize(("driver", "is_asked"), [("syslog", False), ("local", False), ("journald", True)])
def test_of_a_rotated_log_the_engine_is_not_asked_since_a_time(driver: str, is_asked: bool) -> None:
    """It leaves out whole files, newer ones too: so it does with what it keeps beside a driver that sends lines away."""
    asked: list[dict[str, str]] = []

    class Asked(Log):
        def get(self, _: str, params: dict[str, str], **more: Any) -> Answer:
            asked.append(params)
            return super().get(_, params, **more)

    engine = Engine(SimpleNamespace(api=Asked()), "unix:///x", "e", {})  # type: ignore[arg-type]
    list(logs.since(engine, replica(log_driver=driver, log_is_limited=True), STARTED))
    assert ["since" in params for params in asked] == [is_asked]


def test_levels_of_json_records() -> None:
    """Errors count by the level that a record has; without one only a traceback shows, and that is said."""
    log = Log()
    for number in range(30):
        log.add(json.dumps({"level": "error", "name": "w", "message": f"failed {number}"}))
        log.add(json.dumps({"levelname": "INFO", "message": "all is well"}))
    log.add('{"a": 1}', "{'a': 1}", json.dumps({"message": "no level"}))
    found = read(following(log))
    assert (found.errors, found.without_level) == (30, 3)


@pytest.mark.parametrize(
    "line",
    [
        '{"level": "error", "msg": "boom"}',
        '{"event": "boom", "level": "error"}',
        '{"severity": "EMERGENCY", "message": "boom"}',
        '{"level": "fatal", "message": {"text": "boom"}}',
        '{"message": "boom", "lev',
        "2026-11-23 12:00:00,123 ERROR name: boom",
        "2026-11-23 12:00:00 - name - CRITICAL - boom",
        "time=2026-11-23T12:00:00Z level=error msg=boom",
    ],
)
def test_an_error_of_any_form_is_counted_or_told_as_one_that_cannot_be(line: str) -> None:
    """What the profile's pattern does not see is not nothing."""
    log = Log()
    for number in range(50):
        log.add(f"INFO:worker:line {number}", line)
    for found in (read(following(log)), read(following(log))):
        assert found.errors + found.without_level == 50


@pytest.mark.parametrize("line", ["INFO:worker:retried after ERROR", "DEBUG level=error was seen", "all is well"])
def test_a_line_of_another_level_is_no_error(line: str) -> None:
    log = Log()
    log.add(*[line] * 50)
    found = read(following(log))
    assert (found.errors, found.without_level) == (0, 0)
