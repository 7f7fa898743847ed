"""Cases that a live lab rarely or never shows: a healthy rollback's recorded readings with one thing changed.

Each names the assertion that must report it. The mutation run judges them beside the recorded entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.changes import Change
from lab.catalogue.derived import code, completeness, processing, running
from lab.catalogue.entry import Entry


@dataclass(frozen=True)
class Derived:
    """`base`: the recorded entry that it is derived from."""

    entry: Entry
    base: str
    change: Change


DERIVED = tuple(
    Derived(Entry(name, "derived", words, verdict, check, words), base, change)
    for name, verdict, check, words, base, change in (*code.ROWS, *running.ROWS, *processing.ROWS, *completeness.ROWS)
)
