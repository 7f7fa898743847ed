"""Reads a container's log from the engine: first the whole log as a stream, then new lines from its end."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace

import requests

from rollback_gate.errors import Unreachable, Unreadable
from rollback_gate.evidence import log_stream
from rollback_gate.evidence.log_lines import LogReader, LogSummary, split_timestamp
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.engines import Engines, time_at
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.logs import Logs
from rollback_gate.redaction import cut

SILENCE_S = 300  # for `since`, an engine scans the whole log before it answers
_FIRST_TAIL = 100
_GONE = 404
_KEEPS_AN_INDEX = "journald"
_STAMPED = 64  # enough of a line for its timestamp
_KNOWN_BY = 4096  # bytes that identify a line: the engine's timestamp and the text up to here
_MOST_NEW_BYTES = 64 * 1024 * 1024


def read(engines: Engines, replica: Replica, forms: Logs, since: Instant) -> LogSummary | Unmeasured:
    """The summary of a replica's log since the boundary, streamed once in constant memory."""
    return Follower(engines, replica, LogReader(forms, since)).read(time_at(engines, replica))


def blocks(
    engine: Engine, replica: Replica, since: Instant | None, tail: int | None = None
) -> Generator[bytes, None, None]:
    """Whole lines with the engine's timestamps, many at a time. Raises Unreachable, for an unreadable driver too.

    `tail`: the number of last lines to read.

    A caller that does not read to the end must close the generator.
    """
    api = engine.client.api
    url = f"{api.base_url}/v{api.api_version}/containers/{replica.id}/logs"
    part = {"since": since.seconds_text} if since else {"tail": str(tail)} if tail else {}
    wanted = {"stdout": "1", "stderr": "1", "timestamps": "1", **part}
    what = f"the log of {replica.name}"
    with answering(what), api.get(url, params=wanted, stream=True, timeout=SILENCE_S) as answer:
        if answer.status_code != 200:
            if answer.status_code == _GONE:
                raise Unreachable(f"{what}: {_said(answer)}")
            raise Unreadable(f"{what}: its log driver is '{replica.log_driver}', and {_said(answer)}")
        http_answer = answer.raw._original_response
        if http_answer is None or answer.headers.get("Transfer-Encoding") != "chunked":
            raise Unreachable(f"{what}: the engine's answer has no chunks, so its end is unknown")
        yield from whole_lines(log_stream.payloads(http_answer.fp, has_frames=not replica.tty))


def _said(answer: requests.Response) -> str:
    """The engine's error message, from its JSON."""
    try:
        return cut(str(answer.json()["message"]), 300)
    except (ValueError, KeyError, TypeError):
        return cut(answer.text.strip(), 300)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks that end at a line end. A line longer than 1 MiB is truncated, so that memory stays bounded."""
    pending = b""
    for chunk in chunks:
        head, end, tail = chunk.rpartition(b"\n")
        if not end:
            pending = (pending + tail)[: log_stream.LONGEST_BYTES]
            continue
        yield pending + head + end
        pending = tail
    if pending:
        yield pending + b"\n"


@dataclass
class Follower:
    """Reads a replica's log repeatedly: all of it at first, then only new lines. Uses constant memory."""

    engines: Engines
    replica: Replica
    reader: LogReader
    _has_begun: bool = False
    _last: bytes = b""
    _begins_at: Instant | None = None
    _shrank: bool = False

    @property
    def _engine(self) -> Engine:
        return self.engines.of(self.replica)

    def read(self, now: Instant | Unmeasured) -> LogSummary | Unmeasured:
        """The summary since the reader's `since`. `now`: its engine's clock before the read, which is then complete
        up to that time."""
        what = f"the log of {self.replica.name}"
        if isinstance(now, Unmeasured):
            return Unmeasured(what, now.reason)
        try:
            if not self._has_begun:
                self._read_whole()
            if not self._last:
                self._read_first()
            else:  # from the end too: past damage, an engine reads only backwards
                self._read_new(self._last)
        except Unreachable as error:
            return Unmeasured(what, error.message)
        return replace(self.reader.summary(), read_at=now, begins_at=self._begins_at, shrank=self._shrank)

    def _read_whole(self) -> None:
        self._begins_at, self._has_begun = oldest(self._engine, self.replica), True
        for block in since(self._engine, self.replica, self.reader.since):
            self.reader.feed_block(block)
            self._last = block.removesuffix(b"\n").rpartition(b"\n")[2][:_KNOWN_BY]

    def _read_first(self) -> None:
        """Reads the first lines of the process, if there were none before."""
        self._shrank = self._shrank or is_later(oldest(self._engine, self.replica), self._begins_at)
        for line in _recent(self._engine, self.replica, self.reader.since):
            self.reader.feed(line.decode(errors="replace"))
            self._last = line[:_KNOWN_BY]

    def _read_new(self, last: bytes) -> None:
        """Reads new lines by position, not by time: two streams may be out of order, and a clock may be set back."""
        is_there, lines = after(self._engine, self.replica, last)
        self._shrank = self._shrank or not is_there
        stamp = _time_of(last)
        is_ours = stamp is not None and stamp >= self.reader.since
        for line in lines:
            at = _time_of(line)
            if is_there or stamp is None or at is None or at > stamp:
                self.reader.feed(self._of_this_process(line, at) if is_ours else line.decode(errors="replace"))
                self._last = line[:_KNOWN_BY]

    def _of_this_process(self, line: bytes, at: Instant | None) -> str:
        """A line after one of this process belongs to it: a timestamp before the start is replaced by `since`."""
        text = line.decode(errors="replace")
        return text if at is None or at >= self.reader.since else f"{self.reader.since} {text.partition(' ')[2]}"


def since(engine: Engine, replica: Replica, moment: Instant) -> Generator[bytes, None, None]:
    """As `blocks`; for rotated log files all lines, because some engines omit newer lines if `since` is given.

    Engines keep such files also as a local copy for drivers that send logs elsewhere.
    """
    is_rotated = replica.log_is_limited and replica.log_driver != _KEEPS_AN_INDEX
    return blocks(engine, replica, None if is_rotated else moment)


def is_later(now: Instant | None, then: Instant | None) -> bool:
    """True if the log began at `then` and now begins later, or is empty (None)."""
    return then is not None and (now is None or now > then)


def _time_of(line: bytes) -> Instant | None:
    stamped = split_timestamp(line[:_STAMPED].decode(errors="replace"))
    return stamped[0] if stamped else None


def oldest(engine: Engine, replica: Replica) -> Instant | None:
    """The time of the oldest line that the engine has, of any process; None for no line. Raises Unreachable."""
    with contextlib.closing(blocks(engine, replica, None)) as found:
        for block in found:
            for line in block.split(b"\n"):
                if at := _time_of(line):
                    return at
    return None


def after(engine: Engine, replica: Replica, last: bytes) -> tuple[bool, list[bytes]]:
    """Whether the log still has the line that begins with `last`, and the lines after it; if not, all lines read.

    Reads from the log's end, because for `since` the engine scans the whole log. Raises Unreachable.
    """
    tail, before = _FIRST_TAIL, -1
    while True:
        text = b"".join(blocks(engine, replica, None, tail))
        lines = text.removesuffix(b"\n").split(b"\n") if text else []
        places = [place for place, line in enumerate(lines) if line[:_KNOWN_BY] == last]
        if places or len(text) == before or len(text) > _MOST_NEW_BYTES:
            return bool(places), lines[places[-1] + 1 :] if places else lines
        tail, before = tail * 8, len(text)  # a long line counts as several: only an older line or no growth is the end


def recent(engine: Engine, replica: Replica, since: Instant) -> list[str]:
    """Lines since a recent time, inclusive. Raises Unreachable."""
    return [line.decode(errors="replace") for line in _recent(engine, replica, since)]


def _recent(engine: Engine, replica: Replica, since: Instant) -> list[bytes]:
    """Reads from the log's end, because for `since` the engine scans the whole log."""
    tail, before = _FIRST_TAIL, -1
    while True:
        text = b"".join(blocks(engine, replica, None, tail))
        lines = [(at, line) for line in text.removesuffix(b"\n").split(b"\n") if (at := _time_of(line))]
        if len(text) == before or (lines and lines[0][0] < since):
            return [line for at, line in lines if at >= since]
        tail, before = tail * 8, len(text)  # a long line counts as several: only an older line or no growth is the end
