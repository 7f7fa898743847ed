"""What only old or only new code prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from rollback_gate.draft import source
from rollback_gate.draft.source import Said

_FILLED = "1"  # any name, and any number
_TELLING = 10  # letters of a line that are its own; of fewer, too many lines look alike
_MOST = 3


def by_new_code_only(patterns: Mapping[str, re.Pattern[str]], old: str, new: str, path: str) -> list[str]:
    """Keys of patterns for which the new text of a file prints a line, and the old one none.

    A rollback that waits for such a line waits in vain.
    """
    before, now = _lines(old, path), _lines(new, path)
    return [
        key
        for key, form in patterns.items()
        if any(form.search(line) for line in now) and not any(form.search(line) for line in before)
    ]


def _lines(text: str, path: str) -> list[str]:
    return [example(said) for said in source.lines_of(path, text)]


def example(said: Said) -> str:
    return said.text.replace("{}", _FILLED)


def of_the_change(lines: Iterable[Said], others: Mapping[str, str], changed: Collection[str], log: str) -> list[Said]:
    """Lines that changed files print now, and nothing else does; first those that the log has.

    `others`: the old texts of changed files, and the other files, by path. A line of which a text stands anywhere in
    them is none: it may be printed in many ways.
    """
    said = [line for path, text in others.items() for line in source.lines_of(path, text)]
    written = "\n".join(others.values())
    mine = [one for one in lines if one.path in changed and _letters(one) >= _TELLING and "\n" not in one.text]
    own = {
        one.text: one
        for one in mine
        if _longest(one) not in written and not any(_look_alike(one, other) for other in said)
    }
    return sorted(own.values(), key=lambda one: not re.search(one.pattern(), log))[:_MOST]


def _longest(said: Said) -> str:
    return max(said.text.split("{}"), key=len)


def _letters(said: Said) -> int:
    return len(re.findall(r"[^\W\d]", said.text.replace("{}", "")))


def _look_alike(one: Said, other: Said) -> bool:
    """Either may print what the other's pattern finds; one of placeholders alone would find everything."""
    pairs = ((one, other), (other, one))
    return any(_letters(a) > 0 and re.search(a.pattern(), example(b)) for a, b in pairs)
