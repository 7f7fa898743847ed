"""Cases that a live lab rarely or never shows: a healthy rollback's recorded readings with one thing changed.

Each names the assertion that must report it. The mutation run judges them beside the recorded entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.catalogue.changes import Change, Row
from lab.catalogue.derived import answers, code, completeness, processing, running, swarm, values
from lab.catalogue.entry import Entry


@dataclass(frozen=True)
class Derived:
    """`base`: the recorded entry that it is derived from. `profile`: sections that replace the recorded profile's, but
    for the items of the change, which are added to its own.
    """

    entry: Entry
    base: str
    change: Change
    profile: Mapping[str, Any] = field(default_factory=dict)


def _made(rows: Iterable[Row], **profile: Any) -> Iterator[Derived]:
    for name, verdict, check, words, base, change in rows:
        yield Derived(Entry(name, "derived", words, verdict, check, words), base, change, profile)


DERIVED = (
    *_made((*code.ROWS, *running.ROWS, *processing.ROWS, *completeness.ROWS)),
    *_made(values.ROWS, change=values.ITEMS),
    *_made(swarm.ROWS, deployment=swarm.STACK),
    *_made(swarm.WRITTEN, deployment=swarm.STACK, change=values.ITEMS),
    *_made(swarm.LIMITED, deployment=swarm.STACK, change=(swarm.LIMIT,)),
    *_made(values.STAYING, keep=(values.MIGRATION,)),
    *_made(answers.ANSWERS, request=answers.REQUEST),
    *_made(answers.METRICS, metric=answers.METRIC),
    *_made(completeness.LOWER, completeness=completeness.LOWERED),
    *_made(completeness.NO_LEVEL, completeness=completeness.UNALTERED),
)
