"""Filters log lines by texts that every match of a pattern must contain. Pure.

A log of one gigabyte has ten million lines, and matching each one with every pattern takes a hundred times as long as
reading it. Required texts are searched one block at a time. No match is lost: a line without any of these texts
matches no pattern, and a pattern without a known required text switches the filter off.
"""

from __future__ import annotations

import importlib
import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rollback_gate.evidence.error_lines import MARKS
from rollback_gate.profile.logs import Logs

LEVELS = ("level", "levelname", "severity", "log.level")  # keys of the level in a JSON record
_ERRORS = ("ERROR", "CRITICAL", "FATAL", "level=")  # in any format
_SHORTEST = 4
# Characters that are never escaped in a JSON record; quotes, slashes and non-ASCII characters may be.
_PLAIN = frozenset(string.ascii_letters + string.digits + " .,:;()[]{}_-+*=!?'#@%")
_ESCAPES = ("\x1b", "\\u001b", "\\u001B")  # colour codes can split any text, also in a JSON record
_parser: Any = importlib.import_module("re._parser")  # the standard library's regex parser


def texts_of(forms: Logs, also: Iterable[re.Pattern[str]] = ()) -> tuple[bytes, ...]:
    """Every line that matters contains one of these; empty: any line may matter. `also`: additional patterns."""
    every = (forms.connected, forms.picked_up, forms.completed, forms.scored, forms.rejected)
    optional = [pattern for pattern in every if pattern]
    patterns = [
        forms.consuming,
        forms.error,
        *optional,
        *(form.pattern for form in (*forms.noise, *forms.new, *forms.upstream)),
        *also,
    ]
    return texts_for(patterns, (*MARKS, *_ERRORS, *(f'"{level}"' for level in LEVELS)))


def texts_for(patterns: Iterable[re.Pattern[str]], marks: Iterable[str]) -> tuple[bytes, ...]:
    """The same for these patterns and marks."""
    found: set[str] = {*_ESCAPES, *marks}
    for pattern in patterns:
        texts = required(pattern)
        if not texts:
            return ()
        found |= texts
    shortest_first = sorted(found, key=len)
    return tuple(t.encode() for n, t in enumerate(shortest_first) if not any(s in t for s in shortest_first[:n]))


@lru_cache(maxsize=256)  # a wait for a line calls this many times a minute, always with the same patterns
def required(pattern: re.Pattern[str]) -> frozenset[str]:
    """Every match of the pattern contains at least one of these texts; empty if none is known."""
    if pattern.flags & (re.IGNORECASE | re.VERBOSE):
        return frozenset()
    return _of_sequence(_parser.parse(pattern.pattern))


def _of_sequence(items: Iterable[tuple[Any, Any]]) -> frozenset[str]:
    """The best required texts of the parts: those whose shortest text is the longest."""
    candidates, run = [], ""
    for operation, argument in items:
        if str(operation) == "LITERAL" and chr(argument) in _PLAIN:
            run += chr(argument)
            continue
        candidates.append(frozenset({run}))
        run = ""
        candidates.append(_of_one(str(operation), argument))
    candidates.append(frozenset({run}))
    return max((c for c in candidates if _worth(c) >= _SHORTEST), key=_worth, default=frozenset())


def _worth(texts: frozenset[str]) -> int:
    return min(map(len, texts), default=0)


def _of_one(operation: str, argument: Any) -> frozenset[str]:
    if operation == "SUBPATTERN":
        _, added, _, inner = argument
        return frozenset() if added else _of_sequence(inner)
    if operation == "BRANCH":
        branches = [_of_sequence(branch) for branch in argument[1]]
        return frozenset().union(*branches) if all(branches) else frozenset()
    if operation in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] >= 1:
        return _of_sequence(argument[2])
    return frozenset()
