"""What a live lab shows rarely, or never: recorded readings of a healthy rollback in which one thing is another one.

Each has the assertion that must say so; the mutation run asks them beside the recorded entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.changes import Change
from lab.catalogue.derived import code, completeness, processing, running
from lab.catalogue.entry import Entry


@dataclass(frozen=True)
class Derived:
    """`base`: which recorded entry it is made of."""

    entry: Entry
    base: str
    change: Change


DERIVED = tuple(
    Derived(Entry(name, "derived", words, verdict, check, words), base, change)
    for name, verdict, check, words, base, change in (*code.ROWS, *running.ROWS, *processing.ROWS, *completeness.ROWS)
)
