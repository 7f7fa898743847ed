"""The engine's answer is taken apart as it was put together, wherever reads end; what breaks off is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.evidence.log_stream import BrokenOff, payloads

TEXTS = st.lists(st.binary(min_size=1, max_size=300), max_size=20)


class Reads:
    """Hands out the data in reads of this size, and then nothing."""

    def __init__(self, data: bytes, size: int) -> None:
        self.left, self.size = data, size

    def read1(self, _: int) -> bytes:
        part, self.left = self.left[: self.size], self.left[self.size :]
        return part


def framed(texts: list[bytes]) -> bytes:
    return b"".join(b"\x02\0\0\0" + len(text).to_bytes(4) + text for text in texts)


def chunked(data: bytes, size: int) -> bytes:
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


@given(TEXTS, st.integers(1, 50), st.integers(1, 60))
def test_what_went_in_comes_out(texts: list[bytes], chunk: int, read: int) -> None:
    """Chunks need not be frames, nor reads chunks."""
    data = chunked(framed(texts), chunk)
    assert b"".join(payloads(Reads(data, read), has_frames=True)) == b"".join(texts)
    plain = chunked(b"".join(texts), chunk)
    assert b"".join(payloads(Reads(plain, read), has_frames=False)) == b"".join(texts)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 3), st.booleans()), max_size=30))
def test_each_stream_has_its_own_lines(pieces: list[tuple[int, int, bool]]) -> None:
    """16 kB of standard output without a line end, an error line on the other stream, and so on: no line is mixed."""
    texts = {1: b"", 2: b""}
    data = b""
    for stream, length, ends in pieces:
        text = (b"o" if stream == 1 else b"E") * length + (b"\n" if ends else b"")
        texts[stream] += text
        data += bytes([stream]) + b"\0\0\0" + len(text).to_bytes(4) + text
    lines = b"".join(payloads(Reads(chunked(data, 7), 64), has_frames=True)).split(b"\n")
    assert not [line for line in lines if b"o" in line and b"E" in line]
    wanted = [line for text in texts.values() for line in text.split(b"\n") if line]
    assert sorted(line for line in lines if line) == sorted(wanted)


def test_a_line_that_the_engine_has_cut_has_one_time() -> None:
    """It stamps each part of 16 kB: a word across the cut would not be found."""
    stamp = b"2026-11-23T12:00:00.000000000Z "
    data = framed([stamp + b"OCR is te", stamp + b"xt-only\n", stamp + b"2026-11-23T12:00:00.0Z is the line's own\n"])
    read = b"".join(payloads(Reads(chunked(data, 50), 64), has_frames=True))
    assert read == stamp + b"OCR is text-only\n" + stamp + b"2026-11-23T12:00:00.0Z is the line's own\n"


@given(TEXTS.filter(bool), st.integers(1, 50), st.data())
def test_half_an_answer_is_an_error(texts: list[bytes], chunk: int, data: st.DataObject) -> None:
    """A log that was cut off must not look like a short one."""
    whole = chunked(framed(texts), chunk).removesuffix(b"0\r\n\r\n")
    cut = data.draw(st.integers(0, len(whole)))
    with pytest.raises(BrokenOff):
        list(payloads(Reads(whole[:cut], 64), has_frames=True))


def test_what_the_engine_says_of_a_broken_log_is_an_error() -> None:
    """On a stream of its own, in the middle of an answer that looks whole."""
    broken = framed([b"line\n"]) + b"\x03\0\0\0" + (5).to_bytes(4) + b"EOF x"
    with pytest.raises(BrokenOff, match="could not read on: EOF x"):
        list(payloads(Reads(chunked(broken, 64), 64), has_frames=True))


def test_half_a_frame_and_no_chunk_are_errors() -> None:
    """Also where the chunks are whole."""
    with pytest.raises(BrokenOff, match="in the middle of a line"):
        list(payloads(Reads(chunked(framed([b"abc"])[:-1], 5), 64), has_frames=True))
    with pytest.raises(BrokenOff, match="no size of a chunk"):
        list(payloads(Reads(b"<html>\r\n", 64), has_frames=True))
