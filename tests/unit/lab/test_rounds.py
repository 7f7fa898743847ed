"""The score of the fuzzer: what was not played is no agreement, and no disagreement either."""

from __future__ import annotations

from lab.fuzz.rounds import Row, Score


def test_what_was_not_played_is_counted_apart() -> None:
    rows = [
        Row("a", (), "GO", "GO", ""),
        Row("b", (), "GO", "NO-GO", "GO was due"),
        Row("c", (), "?", "?", "could not be played: the lab did not come up"),
    ]
    assert Score(rows).in_words == "3 rounds (1 ?, 2 GO due), 1 disagreements, 1 could not be played"
