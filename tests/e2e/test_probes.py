"""The gate's own documents on a worker whose first document takes longer than the queue waits (FACTS: Queue)."""

from __future__ import annotations

import datetime
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.catalogue import plant
from tests.e2e.conftest import Nature, Operator, finding, running_lab

TRACES = (("enriched_documents", "_id"), ("review_queue", "document_id"), ("enrichment_jobs", "_id"))


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Rolled back, and judged once: its two test documents were finished after the queue had given them up."""
    folder, nature = tmp_path_factory.mktemp("probes"), Nature(first_document="slow")
    with running_lab("bind", "phase1", "e2e-probes", folder, nature=nature) as started:
        assert started.rollback("--reason", "e2e").status == 0
        ended = started.verify("--set", "limits.trace_wait_s=1")
        assert ended.status == 0, ended.output
        yield started


OLD = "20260101T000000Z-abcd"


def traces(operator: Operator) -> int:
    found = operator.lab.database
    return sum(found[name].count_documents({field: {"$regex": "^rollback-probe-"}}) for name, field in TRACES)


def held_by_the_queue(operator: Operator) -> int:
    url = f"http://127.0.0.1:{operator.lab.settings['LAB_QUEUE_PORT']}/stats?format=json"
    with urllib.request.urlopen(url, timeout=5) as answer:
        channels = [c for topic in json.load(answer)["topics"] for c in topic["channels"]]
    return sum(c["depth"] + c["in_flight_count"] + c["deferred_count"] for c in channels)


def last_delivery(operator: Operator) -> None:
    """The workers are restarted, as a deployment would: they finish what the queue delivers again."""
    operator.lab.set("LAB_FIRST_DOCUMENT", "quick")
    operator.lab.recreate("enrichment-worker", "enrichment-coordinator")
    operator.lab.wait_consuming()
    operator.lab.wait(lambda: held_by_the_queue(operator) == 0, "the last delivery", 60)


def test_a_go_says_what_remains_in_the_queue(operator: Operator) -> None:
    """In the headline of the terminal, of the page, and in the claim; it blocks nothing."""
    record = operator.newest_record()
    assert record["verdict"] == "GO"
    assert record["notes"] == ["2 test documents remain in the queue"]
    assert "; 2 test documents remain in the queue" in (record["folder"] / "report.html").read_text()
    claims = finding(record, "processing")["claims"]
    assert any("occupies a worker" in claim["says"] for claim in claims)


def test_assess_and_gate_touch_nothing(operator: Operator) -> None:
    """They look, whatever lies there."""
    operator.lab.wait(lambda: traces(operator) == 0, "nothing is left of the first delivery", 20)
    plant.documents(operator.lab, 1, 0.2778, age_s=1)
    before = operator.lab.database.enriched_documents.count_documents({})
    assert operator.invoke("assess", "--json").status >= 0
    assert operator.invoke("gate").status >= 0
    assert operator.lab.database.enriched_documents.count_documents({}) == before


def test_what_the_last_delivery_leaves_is_removed_by_the_sweep(operator: Operator) -> None:
    """Saved again, in the human review queue too, after verify had ended; the next command removes it."""
    last_delivery(operator)
    assert traces(operator) > 0
    organic = operator.lab.database.enriched_documents.count_documents(
        {"_id": {"$not": {"$regex": "^rollback-probe-"}}}
    )
    ended = operator.invoke("probes.sweep")
    assert ended.status == 0, ended.output
    assert "traces of test documents were removed" in ended.output
    assert traces(operator) == 0
    assert operator.lab.database.enriched_documents.count_documents({}) == organic
    assert "no trace of a test document is left" in operator.invoke("probes.sweep").output


def test_a_document_that_only_looks_like_a_probe_is_kept(operator: Operator) -> None:
    """Deleted is what was remembered as sent, or what has the gate's own forms, of its document and its job, and is old."""
    names = [f"rollback-probe-{name}.jpg" for name in ("by-a-team", f"{OLD}-1", f"{OLD}-2", f"{OLD}-3")]
    jobs = [f"rollback-probe-job-{OLD}", "enrich_job_of_a_team", None, f"rollback-probe-job-{OLD}"]
    rows = [{"_id": name, "enrichment_job_id": job} for name, job in zip(names, jobs, strict=True)]
    operator.lab.database.enriched_documents.insert_many(rows)
    assert operator.invoke("probes.sweep").status == 0
    left = {row["_id"] for row in operator.lab.database.enriched_documents.find({"_id": {"$in": names}})}
    operator.lab.database.enriched_documents.delete_many({"_id": {"$in": names}})
    assert left == set(names[:3])


def test_the_next_verify_removes_what_earlier_ones_left(operator: Operator) -> None:
    """The processes have finished a redelivered one: it counts, and none is sent."""
    ended = operator.verify()
    assert ended.status == 0, ended.output
    assert traces(operator) == 0


def test_a_test_document_with_the_mark_of_the_change_is_evidence_and_stays(operator: Operator) -> None:
    """A NO-GO must not heal by being asked again; the sweep that somebody calls by hand removes it."""
    marked = {"_id": f"rollback-probe-{OLD}-2.jpg", "enriched_data": {"metadata": {"_source": "new"}}}
    fresh = {
        "enrichment_job_id": f"rollback-probe-job-{OLD}",
        "created_at": datetime.datetime.now(datetime.UTC),
        "quality_metrics": {"completeness_score": 0.2778},
    }
    operator.lab.database.enriched_documents.insert_one(marked | fresh)
    for _ in range(2):
        ended = operator.verify()
        assert ended.status == 10, ended.output
        assert traces(operator) == 1
    assert operator.invoke("probes.sweep").status == 0
    assert traces(operator) == 0


def test_a_healed_lab_is_as_it_was_made(operator: Operator) -> None:
    """Whatever the tests before have set: chance decides nothing unless it was asked to."""
    assert operator.lab.settings["LAB_FIRST_DOCUMENT"] == "quick"
    operator.lab.heal()
    assert operator.lab.settings["LAB_FIRST_DOCUMENT"] == "slow"
