"""What writing a record costs beyond pytest, on readings as recorded and as large as they can get."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.recorded import Recorded, all_of_them, claims_of
from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import judge
from rollback_gate.evidence.dated import MOST
from rollback_gate.evidence.readings import DocumentsReading
from rollback_gate.instant import Instant
from rollback_gate.record import build, html, write
from rollback_gate.record.build import Heading
from rollback_gate.record.context import context
from rollback_gate.redaction import Redactor

ROUNDS, GOAL_S, GOAL_BYTES = 5, 1.0, 1 << 20


def record() -> None:
    """Measure writing a record (context, data, page, digests) as recorded and with the most documents."""
    recorded = next(one for one in all_of_them() if isinstance(one.readings.documents, DocumentsReading))
    few, many = _seconds(recorded, 0), _seconds(recorded, MOST)
    with tempfile.TemporaryDirectory() as folder:
        size = _write(recorded, MOST, Path(folder))
    print(f"\nwriting a record beyond pytest; medians of {ROUNDS}")
    print(f"  {'as the lab measured it':32} {few:.2f} s")
    larger = f"{MOST} documents, logs of any size"
    print(f"  {larger:32} {many:.2f} s, ratio {many / few:.2f} (goal: under {GOAL_S:.0f} s)")
    print(f"  report.html of the larger one    {size / 1024:.0f} KB (goal: under {GOAL_BYTES >> 10})")


def _seconds(recorded: Recorded, documents: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return statistics.median(_timed(lambda: _write(recorded, documents, Path(folder))) for _ in range(ROUNDS))


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _write(recorded: Recorded, documents: int, folder: Path) -> int:
    readings = recorded.readings
    assert isinstance(readings.documents, DocumentsReading)
    one = readings.documents.documents[0]
    more = tuple(replace(one, id=f"letter-{number:06}.jpg") for number in range(documents))
    readings = replace(readings, documents=replace(readings.documents, documents=readings.documents.documents + more))
    ran = claims_of(recorded)
    now = Instant.from_epoch_s(time.time())
    heading = Heading(
        kind="verify",
        record_id="20261124T000000Z-0000",
        began=now,
        operator="bench",
        settings=(),
        run=None,
        deployment={"id": "e/p/phase1", "engine": "e", "directory": "/"},
        titles=recorded.profile.titles.model_dump(),
        scope=Scope(),
        change=recorded.profile.title,
        tool=html.tool(),
        began_local="",
    )
    explained = context(readings, recorded.profile, None)
    made = build.judged(heading, judge(recorded.slots, ran, Scope()), recorded.slots, ran, readings, now, explained)
    write.write_page(folder, made, Redactor(["a-secret"]), None)
    return (folder / write.HTML_NAME).stat().st_size
