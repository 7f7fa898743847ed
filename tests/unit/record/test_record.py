from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import Ran, judge
from rollback_gate.instant import Instant
from rollback_gate.model import Evidence, Unmeasured, Verdict, failed, passed
from rollback_gate.profile.load import load
from rollback_gate.record import build, check, html, seal, write
from rollback_gate.record.build import Heading
from rollback_gate.record.context import context
from rollback_gate.redaction import MASK, Redactor
from tests.unit.builders import ROOT, phase1, readings

NOW = Instant.parse("2026-11-23T12:00:00Z")
SLOTS = {"replica-1": True, "replica-2": True}
EVIL = "<script>alert(1)</script>"


EXPLAINED = context(readings(), phase1(), None)  # once: it draws


def heading(**changes: Any) -> Heading:
    values: dict[str, Any] = {
        "kind": "verify",
        "record_id": "20261123T120000Z-abcd",
        "began": NOW,
        "operator": "kim",
        "deployment": {"id": "e/p/phase1", "engine": "e", "directory": "/srv/p"},
        "settings": (),
        "run": None,
        "titles": phase1().titles.model_dump(),
        "scope": FOUR,
        "change": phase1().title,
        "tool": html.tool(),
        "began_local": "2026-11-23 13:00:00 CET",
    }
    return Heading(**{**values, **changes})


FOUR = Scope.of(phase1())
THREE = replace(FOUR, not_asked={"completeness": "thumbnails have no score"})


def record(scope: Scope = FOUR, /, **ran: Ran) -> dict[str, Any]:
    tests = dict.fromkeys(scope.ids(SLOTS), Ran("passed", True, passed("x", "holds", Evidence.CODE, "detail"))) | ran
    judgement = judge(SLOTS, tests, scope)
    return seal.signed(build.judged(heading(scope=scope), judgement, SLOTS, tests, readings(), NOW, EXPLAINED), None)


def test_the_verdict_follows_from_the_written_record(tmp_path: Path) -> None:
    """Through JSON and back, whatever the record's own word is."""
    write.write_json(tmp_path / "report.json", record(), Redactor([]), None)
    again = write.read_json(tmp_path)
    assert build.verdict_of(again).verdict is Verdict.GO
    again["tests"].popitem()
    assert build.verdict_of(again | {"verdict": "GO"}).verdict is Verdict.INCONCLUSIVE


def test_an_unfinished_record_is_inconclusive() -> None:
    """What a killed verify leaves behind."""
    left = build.unfinished(heading(), "verify has begun and has not ended")
    assert left["verdict"] == "INCONCLUSIVE"
    assert build.verdict_of(left).verdict is Verdict.INCONCLUSIVE


def test_a_failed_rollback_leads_with_state_and_next_step() -> None:
    made = build.failed_rollback(heading(kind="rollback"), "step x failed", "do y", ["worker: w-1 is exited"], NOW)
    page = html.page(seal.signed(made, None), "0" * 64)
    assert page.index("ROLLBACK FAILED") < page.index("worker: w-1 is exited") < page.index("not run")
    assert "do y" in page
    assert made["verdict"] == "INCONCLUSIVE"


def test_everything_is_escaped() -> None:
    """Log lines and reasons come from a broken system."""
    bad = Ran("failed", True, failed(EVIL, EVIL, Evidence.LOG, EVIL))
    page = html.page(record(**{"test_new_behaviour::test_fresh_documents_carry_no_mark": bad}), "0" * 64)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_verdict_reasons_and_all_checks_are_static() -> None:
    """Readable where JavaScript is not allowed: no script at all in our part."""
    page = html.fragment(record(), "0" * 64)
    for text in (
        "GO",
        *phase1().titles.model_dump().values(),
        "2 workers run the old code",
        "SHA-256 of report.json",
    ):
        assert text in page
    assert "<script" not in page


def test_secrets_are_cleaned_from_json_and_page(tmp_path: Path) -> None:
    secret = "p@ss/'\"zebra"
    bad = Ran("failed", True, failed("x", f"saw {secret}", Evidence.LOG, json.dumps(secret)))
    write.write_page(tmp_path, record(**{"test_processing::test_probes_leave_no_trace": bad}), Redactor([secret]), None)
    for path in tmp_path.iterdir():
        text = path.read_text()
        assert "zebra" not in text, path
        assert MASK in text


def test_a_document_may_be_named_like_a_secret(tmp_path: Path) -> None:
    """Its times are numbers under its name: cleaning must leave JSON that can be read."""
    made = record() | {"times": {"letter-token": 31.5, "my-password": 8}}
    assert write.write_json(tmp_path / "report.json", made, Redactor([]), None)["times"] == made["times"]
    assert write.read_json(tmp_path)["times"] == made["times"]


@pytest.mark.parametrize(
    "change", [{"findings": [{}]}, {"findings": ["x"]}, {"titles": []}, {"ended": "x"}, {"ended": 5}]
)
def test_a_malformed_record_is_none(change: dict[str, Any]) -> None:
    """Well sealed, and not what this tool writes."""
    made = seal.signed({k: v for k, v in (record() | change).items() if k != "signature"}, None)
    assert check.examine(seal.canonical(made), None).record == {}


def test_settings_show_where_they_came_from() -> None:
    settings = load(ROOT / "profiles" / "phase1.toml", {}, ["limits.soak_s=5"])
    rows = {row["key"]: row for row in build.settings_of(settings)}
    assert rows["limits.soak_s"] == {"key": "limits.soak_s", "value": "5.0", "origin": "command line"}
    assert rows["limits.probe_s"]["origin"] == "default"
    assert rows["deployment.project"]["origin"].startswith("profile ")


def test_unmeasured_says_so_in_json() -> None:
    assert build.plain(Unmeasured("x", "why")) == {"unmeasured": {"what": "x", "reason": "why"}}


# --- what the process that judged has left, under the heading of its caller


def test_what_the_suite_left_is_published_under_the_callers_heading() -> None:
    """Whoever asked, for which deployment, is the caller's word."""
    left = record() | {"operator": "mallory", "record_id": "20200101T000000Z-0000", "settings": [{"key": "x"}]}
    made = build.of_suite(heading(), SLOTS, left)
    assert (made["operator"], made["record_id"], made["settings"]) == ("kim", "20261123T120000Z-abcd", [])
    assert made["verdict"] == "GO"


@pytest.mark.parametrize(
    "forged",
    [
        {"tests": {}},
        {"verdict": "NO-GO"},
        {"reason": "all is well"},
        {"findings": []},
        {"slots": {"replica-1": True}},
        {"tests": {"x": None}},
    ],
)
def test_what_does_not_follow_from_its_own_evidence_is_not_published(forged: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        build.of_suite(heading(), SLOTS, record() | forged)


def test_what_has_not_ended_is_not_published() -> None:
    left = record()
    del left["ended"]
    with pytest.raises(ValueError, match="findings"):
        build.of_suite(heading(), SLOTS, left)


def test_a_go_for_three_checks_says_so_wherever_it_is_read() -> None:
    """In its headline, its reason and its page, with the reason of what was left out."""
    made = record(THREE)
    assert (made["verdict"], made["headline"]) == ("GO", "GO (3 of 4)")
    assert made["reason"] == "3 of 4 checks passed on 2 workers"
    assert build.verdict_of(made).verdict is Verdict.GO
    page = html.page(made, "digest")
    assert page.count("GO (3 of 4)") >= 2
    assert "thumbnails have no score" in page
    assert "– not asked" in page
    assert "completeness since the rollback" not in page
    assert "headline" not in record()


def test_a_page_follows_from_its_data_whatever_the_order_of_what_is_left_out(tmp_path: Path) -> None:
    """A file has its keys in the order of the alphabet."""
    two = Scope({"processing": "no queue", "completeness": "no score"})
    write.write_json(tmp_path / "report.json", record(two), Redactor([]), None)
    assert html.fragment(write.read_json(tmp_path), "digest") == html.fragment(record(two), "digest")


def test_a_record_is_judged_by_what_its_caller_asked(tmp_path: Path) -> None:
    """A suite that asked less than its caller leaves no record of its caller's."""
    write.write_json(tmp_path / "report.json", record(THREE), Redactor([]), None)
    left = write.read_json(tmp_path)
    assert build.of_suite(heading(scope=THREE), SLOTS, left)["headline"] == "GO (3 of 4)"
    with pytest.raises(ValueError, match="its evidence comes to INCONCLUSIVE"):
        build.of_suite(heading(), SLOTS, left)


def test_a_scope_that_nobody_could_have_asked_is_no_evidence() -> None:
    made = record() | {"scope": {"not_asked": {"everything": "no time"}, "without": []}}
    with pytest.raises(ValueError, match="no profile can leave out everything"):
        build.verdict_of(made)
