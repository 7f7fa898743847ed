"""Whether a pattern matches what old code prints: a rollback waits for that, and would wait in vain. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollback_gate.draft import source

_FILLED = "1"  # any name, and any number


def by_new_code_only(patterns: Mapping[str, re.Pattern[str]], old: str, new: str, path: str) -> list[str]:
    """Keys of patterns for which the new text of a file prints a line, and the old one none."""
    before, now = _lines(old, path), _lines(new, path)
    return [
        key
        for key, form in patterns.items()
        if any(form.search(line) for line in now) and not any(form.search(line) for line in before)
    ]


def _lines(text: str, path: str) -> list[str]:
    return [said.text.replace("{}", _FILLED) for said in source.lines_of(path, text)]
