from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.evidence import documents
from tests.unit.builders import CAPTURES, phase1

DOCUMENTS = sorted((CAPTURES / "documents").glob("*.json"))


def stored(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(path.read_text())[0]
    return row | {"created_at": datetime.datetime.fromisoformat(row["created_at"])}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_the_mark_tells_old_from_new(path: Path) -> None:
    """On every captured document, whatever its score."""
    reading = documents.parse(stored(path), phase1())
    assert reading.marked is path.name.startswith("phase1-")
    assert reading.score in (0.2778, 0.3889, 0.7778)


def test_the_score_alone_does_not() -> None:
    """Old and new store the same scores: this is why check 4 stands on check 1."""
    scores = {p.stem.partition("-")[0]: set[float | None]() for p in DOCUMENTS}
    for path in DOCUMENTS:
        scores[path.stem.partition("-")[0]].add(documents.parse(stored(path), phase1()).score)
    assert scores["before"] == scores["phase1"]


@pytest.mark.parametrize(
    ("metrics", "score"),
    [
        ({"completeness_score": 0.5}, 0.5),
        ({"completeness_score": None}, None),
        ({}, None),
        (None, None),
        ({"completeness_score": True}, None),
        ({"completeness_score": "0.5"}, None),
        ({"completeness_score": 27.8}, 27.8),
        ({"completeness_score": math.nan}, None),
        ({"completeness_score": math.inf}, None),
    ],
)
def test_a_score_that_is_none_is_not_zero(metrics: Any, score: float | None) -> None:
    assert documents.parse({"_id": "x", "quality_metrics": metrics}, phase1()).score == score


def test_a_mark_that_is_null_is_a_mark() -> None:
    """Old code never writes the field at all."""
    row = {"_id": "x", "enriched_data": {"metadata": {"_source": None}}}
    assert documents.parse(row, phase1()).marked


@pytest.mark.parametrize(
    ("enriched", "marked", "could_be"),
    [
        ({"metadata": {"_source": "actual"}}, True, False),
        ({"metadata": [{"_source": "actual"}, "x"]}, True, True),
        ({"metadata": [{"title": "x"}]}, False, True),
        ({"metadata": "_source=actual"}, False, True),
        ([{"metadata": {}}], False, True),
        (7, False, True),
        ({"metadata": {"title": "x"}}, False, False),
        ({"metadata": None}, False, False),
        ({}, False, False),
        (None, False, False),
    ],
)
def test_where_the_mark_cannot_be_looked_for_it_could_be(enriched: Any, marked: bool, could_be: bool) -> None:
    reading = documents.parse({"_id": "x", "enriched_data": enriched}, phase1())
    assert (reading.marked, reading.could_be_marked) == (marked, could_be)


def test_probes_are_told_by_their_id() -> None:
    assert documents.parse({"_id": "rollback-probe-x-1.jpg"}, phase1()).is_probe
    assert not documents.parse({"_id": "letter.jpg"}, phase1()).is_probe
