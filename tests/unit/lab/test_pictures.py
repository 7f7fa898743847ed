"""The pictures in docs/ show what a page looks like now."""

from __future__ import annotations

import json

from lab import pictures


def test_they_are_current() -> None:
    """`invoke lab.pictures` makes them anew, of real runs."""
    kept = json.loads(pictures.KEPT.read_text())
    assert kept["drawn_by"] == pictures.drawn_by(), "what draws a page has changed: invoke lab.pictures"
    assert kept["pictures"] == {name: pictures.digest_of(name) for name in pictures.NAMES}
