"""The catalogue: sabotaged rollbacks that must never get GO, and healthy ones that must never get NO-GO.

One table. `invoke selftest` runs it, and the README shows its score. DESIGN's table has the required verdicts.
"""

from __future__ import annotations

from lab.catalogue import (
    built,
    code,
    completeness,
    gate,
    healthy,
    images,
    processing,
    running,
    services,
    settings,
    swarm,
)
from lab.catalogue.entry import Entry

CATALOGUE: tuple[Entry, ...] = (
    *code.ENTRIES,
    *services.ENTRIES,
    *running.ENTRIES,
    *processing.ENTRIES,
    *completeness.ENTRIES,
    *gate.ENTRIES,
    *healthy.ENTRIES,
    *settings.ENTRIES,
    *images.ENTRIES,
    *built.ENTRIES,
    *swarm.ENTRIES,
)
