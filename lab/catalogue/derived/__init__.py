"""Cases that a live lab rarely or never shows: a healthy rollback's recorded readings with one thing changed.

Each names the assertion that must report it. The mutation run judges them beside the recorded entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.catalogue.changes import Change, Row
from lab.catalogue.derived import code, completeness, processing, running, values
from lab.catalogue.entry import Entry
from rollback_gate.profile.deployment import Item


@dataclass(frozen=True)
class Derived:
    """`base`: the recorded entry that it is derived from. `items`: of the change, besides the recorded profile's."""

    entry: Entry
    base: str
    change: Change
    items: tuple[Item, ...] = ()


def _made(rows: Iterable[Row], items: tuple[Item, ...] = ()) -> Iterator[Derived]:
    for name, verdict, check, words, base, change in rows:
        yield Derived(Entry(name, "derived", words, verdict, check, words), base, change, items)


DERIVED = (
    *_made((*code.ROWS, *running.ROWS, *processing.ROWS, *completeness.ROWS)),
    *_made(values.ROWS, values.ITEMS),
)
