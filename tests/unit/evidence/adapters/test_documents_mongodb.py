from __future__ import annotations

import datetime
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from pydantic import SecretStr

from rollback_gate.evidence.adapters import mongodb_client, mongodb_rows
from rollback_gate.evidence.adapters.mongodb_rows import parse
from rollback_gate.evidence.dated import dated
from rollback_gate.evidence.readings import DocumentReading
from rollback_gate.instant import Instant
from rollback_gate.profile.systems import MongodbDatabase
from tests.unit.builders import CAPTURES, phase1

DATABASE = MongodbDatabase.model_validate(phase1().model_dump()["database"])
DOCUMENTS = sorted((CAPTURES / "documents").glob("*.json"))


def stored(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(path.read_text())[0]
    return row | {"created_at": datetime.datetime.fromisoformat(row["created_at"])}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.stem)
def test_the_mark_tells_old_from_new(path: Path) -> None:
    """On every captured document, whatever its score."""
    reading = parse(stored(path), DATABASE)
    assert reading.marked is path.name.startswith("phase1-")
    assert reading.score in (0.2778, 0.3889, 0.7778)


def test_the_score_alone_does_not() -> None:
    """Old and new store the same scores: this is why check 4 stands on check 1."""
    scores = {p.stem.partition("-")[0]: set[float | None]() for p in DOCUMENTS}
    for path in DOCUMENTS:
        scores[path.stem.partition("-")[0]].add(parse(stored(path), DATABASE).score)
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
    assert parse({"_id": "x", "quality_metrics": metrics}, DATABASE).score == score


def test_a_mark_that_is_null_is_a_mark() -> None:
    """Old code never writes the field at all."""
    row = {"_id": "x", "enriched_data": {"metadata": {"_source": None}}}
    assert parse(row, DATABASE).marked


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
    reading = parse({"_id": "x", "enriched_data": enriched}, DATABASE)
    assert (reading.marked, reading.could_be_marked) == (marked, could_be)


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("a.jpg", ["a.jpg"]),
        ("101", ["101", 101]),
        ("5f" * 12, ["5f" * 12, ObjectId("5f" * 12)]),
        ("9" * 30, ["9" * 30]),
    ],
)
def test_an_id_that_a_log_shows_may_be_of_another_type(name: str, forms: list[Any]) -> None:
    assert mongodb_rows.forms(name) == forms


def test_probes_are_told_by_their_id() -> None:
    assert parse({"_id": "rollback-probe-x-1.jpg"}, DATABASE).is_probe
    assert not parse({"_id": "letter.jpg"}, DATABASE).is_probe


def test_a_time_to_come_tells_nothing() -> None:
    """Local time that was stored as UTC, a clock that is ahead: the mark may be from before the boundary."""
    now = Instant(10**18)
    fresh = DocumentReading("fresh", now, 0.3, marked=True, is_probe=False)
    marked, plain = replace(fresh, id="marked", created_at=now.plus(9)), replace(fresh, id="plain", marked=False)
    unclear = replace(plain, id="unclear", created_at=now.plus(9), could_be_marked=True)
    ahead = replace(plain, id="ahead", created_at=now.plus(9))
    rows = (fresh, marked, plain, unclear, ahead)
    assert dated(rows, now) == ((fresh, plain), ("marked", "unclear"))
    assert dated(rows, None) == (rows, ())


@pytest.mark.parametrize("score", ["0.5", True, math.nan, [0.5]])
def test_what_is_no_finite_number_is_told_apart_from_nothing(score: Any) -> None:
    """Nothing was measured; this was, and cannot be read."""
    row = {"_id": "x", "quality_metrics": {"completeness_score": score}}
    assert parse(row, DATABASE).odd_score
    for empty in ({}, {"completeness_score": None}, {"completeness_score": 0.5}):
        assert parse({"_id": "x", "quality_metrics": empty}, DATABASE).odd_score == ""


def test_a_date_that_python_does_not_know_hides_no_other() -> None:
    """By the driver's own decoder, as the client is made."""
    client = mongodb_client.connect(DATABASE, (), SecretStr("x"), 5).client
    codec = client.codec_options
    raw = bson.encode({"at": DatetimeMS(2**53)})
    assert not isinstance(bson.decode(raw, codec_options=codec)["at"], datetime.datetime)
    client.close()
