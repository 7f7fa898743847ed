"""Fast parser of the engine's log response: HTTP chunks, which contain the frames of both streams.

The engine sends each line as one chunk with one frame. The SDK, urllib3 and http.client need several reads for each,
which costs five times as much as parsing the line. This module reads and parses 256 KiB at a time (`invoke bench` has
the figures). A response that ends before the last chunk is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from rollback_gate.redaction import cut

LONGEST_BYTES = 1 << 20
READ_BYTES = 1 << 18
_HEADER_BYTES = 8
_CHUNK_END = b"\r\n"
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ")
_SYSTEM_ERROR = 3  # stream id on which the engine reports that it cannot read on


class Stream(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class BrokenOff(OSError):
    """The response was truncated, or does not consist of chunks and frames."""


def payloads(stream: Stream, has_frames: bool) -> Iterator[bytes]:
    """The container's output, in order. `has_frames` False: a container with a TTY, one stream. Raises BrokenOff."""
    return _unframed(chunks(stream)) if has_frames else chunks(stream)


def chunks(stream: Stream) -> Iterator[bytes]:
    """The content of HTTP chunks, many at a time. Raises BrokenOff."""
    data = b""
    while True:
        more = stream.read1(READ_BYTES)
        if not more:
            raise BrokenOff("the engine's answer broke off")
        data += more
        found, position, ended = _whole_chunks(data)
        if found:
            yield b"".join(found)
        if ended:
            return
        data = data[position:]


def _whole_chunks(data: bytes) -> tuple[list[bytes], int, bool]:
    """Contents, the position of the first incomplete chunk, and whether the last chunk was found."""
    found: list[bytes] = []
    position = 0
    while True:
        line_end = data.find(_CHUNK_END, position)
        if line_end < 0:
            return found, position, False
        try:
            size = int(data[position:line_end].partition(b";")[0], 16)
        except ValueError as error:
            raise BrokenOff(f"no size of a chunk: {data[position:line_end][:40]!r}") from error
        if not size:
            return found, position, True
        begin = line_end + 2
        end = begin + size
        if end + 2 > len(data):
            return found, position, False
        found.append(data[begin:end])
        position = end + 2


def _unframed(contents: Iterator[bytes]) -> Iterator[bytes]:
    """Removes the frames: one byte for the stream, three zeros, four for the size, the text. Raises BrokenOff.

    A line of one stream may span several frames, with frames of the other stream between them. Lines are joined per
    stream, and only whole lines are returned. A line longer than LONGEST_BYTES is truncated.
    """
    data = b""
    open_lines: dict[int, bytes] = {}
    for content in contents:
        data += content
        found: list[bytes] = []
        position, length = 0, len(data)
        while position + _HEADER_BYTES <= length:
            begin = position + _HEADER_BYTES
            end = begin + int.from_bytes(data[position + 4 : begin])
            if end > length:
                break
            if data[position] == _SYSTEM_ERROR:
                said = cut(data[begin:end].decode(errors="replace").strip(), 300)
                raise BrokenOff(f"the engine could not read on: {said}")
            text, stream = data[begin:end], data[position]
            if stream in open_lines or not text.endswith(b"\n"):
                text = _whole_lines_of(stream, text, open_lines)
            found.append(text)
            position = end
        data = data[position:]
        if found:
            yield b"".join(found)
    if data:
        raise BrokenOff("the engine's answer broke off in the middle of a line")
    yield b"\n".join(open_lines.values())


def _whole_lines_of(stream: int, text: bytes, open_lines: dict[int, bytes]) -> bytes:
    """The lines that end within this text; the rest is kept in `open_lines`.

    The engine puts a timestamp before each part of a split line; those within a line are removed.
    """
    begun = open_lines.pop(stream, b"")
    if begun and (stamp := _STAMP.match(text)):
        text = text[stamp.end() :]
    head, end, tail = (begun + text).rpartition(b"\n")
    if tail:
        open_lines[stream] = tail[:LONGEST_BYTES]
    return head + end
