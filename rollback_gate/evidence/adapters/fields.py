"""What the documents themselves show: which field is the score, and which one the change has added. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SCORE = re.compile(r"(?i)complet|score|quality|confidence")
_MOST, _FEW = 0.8, 5


def flat(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted paths with their values; lists are not looked into."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def score_of(documents: Sequence[Mapping[str, Any]]) -> str:
    """The path of a share between 0 and 1 that nearly every document has, by its name; "" for none."""
    named = [path for path in shares_of(documents) if _SCORE.search(path)]
    return min(named, key=lambda path: (-len(_SCORE.findall(path)), path.count("."), path), default="")


def shares_of(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Paths of shares between 0 and 1 that nearly every document has."""
    shares = Counter(path for one in documents for path, value in flat(one) if _is_share(value))
    return [path for path, count in shares.items() if count >= _MOST * len(documents)]


def is_named_as_score(name: str) -> bool:
    return bool(_SCORE.search(name))


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def mark_of(before: Sequence[Mapping[str, Any]], since: Sequence[Mapping[str, Any]]) -> str:
    """The path that nearly all documents since the change have, and none had before; "" for none.

    A few on either side prove nothing.
    """
    if min(len(before), len(since)) < _FEW:
        return ""
    known = {path for one in before for path in _paths(one)}
    counted = Counter(path for one in since for path in _paths(one) - known)
    added = [path for path, count in counted.items() if count >= _MOST * len(since)]
    return min(added, key=lambda path: (path.count("."), path), default="")


def is_common(path: str, documents: Sequence[Mapping[str, Any]]) -> bool:
    """True if nearly all of them have it; a few that do may be of an earlier deployment of the change."""
    having = sum(path in _paths(one) for one in documents)
    return len(documents) >= _FEW and having >= _MOST * len(documents)


def _paths(document: Mapping[str, Any]) -> set[str]:
    return {path for path, value in flat(document) if value is not None}
