"""The catalogue: sabotaged rollbacks of which none may get GO, and healthy ones of which none may get NO-GO.

One table. `invoke selftest` runs it, the README shows its score; what each entry must come to is DESIGN's table.
"""

from __future__ import annotations

from lab.catalogue import code, completeness, gate, healthy, processing, running, services
from lab.catalogue.entry import Entry

CATALOGUE: tuple[Entry, ...] = (
    *code.ENTRIES,
    *services.ENTRIES,
    *running.ENTRIES,
    *processing.ENTRIES,
    *completeness.ENTRIES,
    *gate.ENTRIES,
    *healthy.ENTRIES,
)
