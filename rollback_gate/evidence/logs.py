"""Reading a container's log from the engine: a whole one streamed once, a few new lines from its end."""

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
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.logs import Logs
from rollback_gate.redaction import cut

SILENCE_S = 300  # an engine looks through all of a log for `since` before it says a word
_FIRST_TAIL = 100
_GONE = 404
_KEEPS_AN_INDEX = "journald"
_STAMPED = 64  # enough of a line for its timestamp
_KNOWN_BY = 4096  # bytes of a line: the engine's time and as much text
_MOST_NEW_BYTES = 64 * 1024 * 1024


def read(engine: Engine, replica: Replica, forms: Logs, since: Instant) -> LogSummary | Unmeasured:
    """The summary of a replica's log since the boundary: streamed once, in constant memory."""
    return Follower(engine, replica, LogReader(forms, since)).read(time_of(engine))


def time_of(engine: Engine) -> Instant | Unmeasured:
    """The engine's clock, before logs are read: what they show up to then is whole."""
    try:
        return engine.now()
    except Unreachable as error:
        return Unmeasured("the engine's time", error.message)


def blocks(
    engine: Engine, replica: Replica, since: Instant | None, tail: int | None = None
) -> Generator[bytes, None, None]:
    """Whole lines with the engine's timestamps, many at a time. Raises Unreachable, for an unreadable driver too.

    `tail`: so many of the last ones.

    Whoever does not read to the end has to close it.
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
    """The engine's words; it sends them as JSON."""
    try:
        return cut(str(answer.json()["message"]), 300)
    except (ValueError, KeyError, TypeError):
        return cut(answer.text.strip(), 300)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks that end with a line's end; a line beyond 1 MiB is cut, so that memory stays bounded."""
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
    """A replica's log read again and again: whole at first, then only what is new. One reader, in constant memory."""

    engine: Engine
    replica: Replica
    reader: LogReader
    _has_begun: bool = False
    _last: bytes = b""
    _begins_at: Instant | None = None
    _shrank: bool = False

    def read(self, now: Instant | Unmeasured) -> LogSummary | Unmeasured:
        """All since the reader's `since`. `now`: the engine's clock, not later than the read; one for many replicas."""
        what = f"the log of {self.replica.name}"
        if isinstance(now, Unmeasured):
            return Unmeasured(what, now.reason)
        try:
            if not self._has_begun:
                self._read_whole()
            if not self._last:
                self._read_first()
            else:  # from the end too: past a damaged place, an engine reads only backwards
                self._read_new(self._last)
        except Unreachable as error:
            return Unmeasured(what, error.message)
        return replace(self.reader.summary(), read_at=now, begins_at=self._begins_at, shrank=self._shrank)

    def _read_whole(self) -> None:
        self._begins_at, self._has_begun = oldest(self.engine, self.replica), True
        for block in since(self.engine, self.replica, self.reader.since):
            self.reader.feed_block(block)
            self._last = block.removesuffix(b"\n").rpartition(b"\n")[2][:_KNOWN_BY]

    def _read_first(self) -> None:
        """Nothing of its process was there before."""
        self._shrank = self._shrank or is_later(oldest(self.engine, self.replica), self._begins_at)
        for line in _recent(self.engine, self.replica, self.reader.since):
            self.reader.feed(line.decode(errors="replace"))
            self._last = line[:_KNOWN_BY]

    def _read_new(self, last: bytes) -> None:
        """By place, not by time: two streams are stamped out of order, and a clock may be set back."""
        is_there, lines = after(self.engine, self.replica, last)
        self._shrank = self._shrank or not is_there
        stamp = _time_of(last)
        is_ours = stamp is not None and stamp >= self.reader.since
        for line in lines:
            at = _time_of(line)
            if is_there or stamp is None or at is None or at > stamp:
                self.reader.feed(self._of_this_process(line, at) if is_ours else line.decode(errors="replace"))
                self._last = line[:_KNOWN_BY]

    def _of_this_process(self, line: bytes, at: Instant | None) -> str:
        """What stands behind a line of this process is of this process, even if its time is before the start."""
        text = line.decode(errors="replace")
        return text if at is None or at >= self.reader.since else f"{self.reader.since} {text.partition(' ')[2]}"


def since(engine: Engine, replica: Replica, moment: Instant) -> Generator[bytes, None, None]:
    """As `blocks`, older lines too where the engine would leave out newer ones if it were asked since a time.

    Some do with files that are rotated; so they keep what drivers without a log of their own send away.
    """
    is_rotated = replica.log_is_limited and replica.log_driver != _KEEPS_AN_INDEX
    return blocks(engine, replica, None if is_rotated else moment)


def is_later(now: Instant | None, then: Instant | None) -> bool:
    """The log began at `then`, and does not any more; None for an empty one."""
    return then is not None and (now is None or now > then)


def _time_of(line: bytes) -> Instant | None:
    stamped = split_timestamp(line[:_STAMPED].decode(errors="replace"))
    return stamped[0] if stamped else None


def oldest(engine: Engine, replica: Replica) -> Instant | None:
    """The time of the first line that the engine still has, of whatever process; None for none. Raises Unreachable."""
    with contextlib.closing(blocks(engine, replica, None)) as found:
        for block in found:
            for line in block.split(b"\n"):
                if at := _time_of(line):
                    return at
    return None


def after(engine: Engine, replica: Replica, last: bytes) -> tuple[bool, list[bytes]]:
    """Whether the log still has this line (its first bytes), and the lines behind it; all that were read, where not.

    From the log's end: given a time, the engine looks through all of it. Raises Unreachable.
    """
    tail, before = _FIRST_TAIL, -1
    while True:
        text = b"".join(blocks(engine, replica, None, tail))
        lines = text.removesuffix(b"\n").split(b"\n") if text else []
        places = [place for place, line in enumerate(lines) if line[:_KNOWN_BY] == last]
        if places or len(text) == before or len(text) > _MOST_NEW_BYTES:
            return bool(places), lines[places[-1] + 1 :] if places else lines
        tail, before = tail * 8, len(text)  # the engine counts a long line as several: only more, or older ones, tell


def recent(engine: Engine, replica: Replica, since: Instant) -> list[str]:
    """Lines since a moment that is not long ago, those of that moment included. Raises Unreachable."""
    return [line.decode(errors="replace") for line in _recent(engine, replica, since)]


def _recent(engine: Engine, replica: Replica, since: Instant) -> list[bytes]:
    """From the log's end: given `since`, the engine looks through all of it."""
    tail, before = _FIRST_TAIL, -1
    while True:
        text = b"".join(blocks(engine, replica, None, tail))
        lines = [(at, line) for line in text.removesuffix(b"\n").split(b"\n") if (at := _time_of(line))]
        if len(text) == before or (lines and lines[0][0] < since):
            return [line for at, line in lines if at >= since]
        tail, before = tail * 8, len(text)  # the engine counts a long line as several: only more, or older ones, tell
