from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.change.reading import Baseline
from rollback_gate.checks import completeness
from rollback_gate.evidence.readings import DocumentsReading, ProbesReading, UpstreamState
from rollback_gate.model import Outcome, Unmeasured
from tests.unit.builders import (
    STARTED,
    documents,
    known,
    log,
    new_line,
    phase1,
    probe,
    readings,
    replica_reading,
    upstream,
)

PROFILE = phase1()


def outcome_of(*scores: float | None) -> Outcome:
    return completeness.in_band(readings(documents=documents(*scores)), PROFILE).outcome


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ([0.2778] * 10, Outcome.PASSED),
        ([0.25] * 10, Outcome.PASSED),
        ([0.30] * 10, Outcome.PASSED),
        ([0.228] * 10, Outcome.PASSED),
        ([0.328] * 10, Outcome.PASSED),
        ([0.60] * 10, Outcome.INCONCLUSIVE),
        ([0.6111] * 10, Outcome.INCONCLUSIVE),
        ([0.15] * 10, Outcome.FAILED),
        ([0.2778] * 5 + [0.6111] * 5, Outcome.INCONCLUSIVE),
        ([0.2778] * 8 + [0.6111] * 2, Outcome.INCONCLUSIVE),
        ([0.7778] * 10, Outcome.INCONCLUSIVE),
        ([0.3889] * 10, Outcome.INCONCLUSIVE),
        ([0.21] * 10, Outcome.INCONCLUSIVE),
        ([0.2778] * 9, Outcome.PASSED),
        ([0.2778] * 2, Outcome.PASSED),
        ([0.2778, 0.3889], Outcome.INCONCLUSIVE),
        ([0.7778] * 2, Outcome.INCONCLUSIVE),
        ([0.6111] * 2, Outcome.INCONCLUSIVE),
        ([0.1667] * 2, Outcome.FAILED),
        ([0.1667, 0.2778], Outcome.INCONCLUSIVE),
        ([], Outcome.INCONCLUSIVE),
        ([0.05] * 5 + [0.5] * 5, Outcome.INCONCLUSIVE),
        ([27.78] * 10, Outcome.INCONCLUSIVE),
    ],
)
def test_the_mean(scores: list[float], outcome: Outcome) -> None:
    """DESIGN's table, row by row, while everything else proves old code."""
    assert outcome_of(*scores) is outcome


@pytest.mark.parametrize("scores", [[0.7778] * 10, [0.6111] * 10, [0.6111] * 2, [0.2778] * 5 + [0.6111] * 5])
def test_at_the_changes_level_with_a_sign_of_the_change_is_red(scores: list[float]) -> None:
    """The same scores that are inconclusive on proven old code."""
    world = readings(
        documents=documents(*scores),
        replicas=(replica_reading(1, log=log(new=(new_line(),))), replica_reading(2)),
    )
    assert completeness.in_band(world, PROFILE).outcome is Outcome.FAILED


def test_a_few_documents_stand_on_check_1() -> None:
    """No mean: each lies in the band, every replica finished one, and the code is proven old. Else inconclusive."""
    claim = completeness.in_band(readings(documents=documents(0.2778, 0.2778)), PROFILE)
    assert claim.passed
    assert "2 documents, no mean: 27.8%, each in the band; does not tell old from new" in claim.says
    unread = replica_reading(1, code=Unmeasured("the code", "it is gone"))
    unproven = readings(documents=documents(0.2778, 0.2778), replicas=(unread, replica_reading(2)))
    assert completeness.in_band(unproven, PROFILE).outcome is Outcome.INCONCLUSIVE
    one_replica = readings(documents=documents(0.2778), stored={probe(1).document_id: documents(0.2778).documents[0]})
    assert completeness.in_band(one_replica, PROFILE).outcome is Outcome.INCONCLUSIVE


def test_removed_test_documents_of_the_same_process_count() -> None:
    """Their scores stand in the log."""
    remembered = {probe(n).document_id: known(number=n) for n in (1, 2)}
    world = readings(documents=DocumentsReading(STARTED, ()), stored={}, remembered=remembered)
    assert completeness.in_band(world, PROFILE).passed
    assert completeness.readable_scores(world, phase1()).passed
    assert completeness.clock(world, PROFILE).passed, "no stored document is judged by its time"


def test_it_says_that_these_scores_do_not_tell_old_from_new() -> None:
    claim = completeness.in_band(readings(), PROFILE)
    assert "does not tell old from new code" in claim.details[-1]


def test_a_silent_mcp_server_is_named_as_the_likely_cause() -> None:
    world = readings(
        documents=documents(*[0.3889] * 10),
        upstream=upstream(UpstreamState.SILENT, "no answer at localhost:3003"),
    )
    assert "no answer at localhost:3003" in completeness.in_band(world, PROFILE).says


def test_scores_must_be_shares() -> None:
    assert completeness.readable_scores(readings(), phase1()).passed
    for bad in (documents(27.8), documents(None), documents(), Unmeasured("documents", "down")):
        assert completeness.readable_scores(readings(documents=bad), phase1()).outcome is Outcome.INCONCLUSIVE


def clock_of(created_s: float, **log_changes: object) -> Outcome:
    name = probe(1).document_id
    stored = {name: replace(documents(0.2778).documents[0], id=name, created_at=STARTED.plus(created_s))}
    replicas = (replica_reading(1, log=log(name, **log_changes)), replica_reading(2))
    return completeness.clock(readings(stored=stored, replicas=replicas), PROFILE).outcome


def test_clock_skew_is_inconclusive() -> None:
    """A worker ten minutes off writes documents that fall on the wrong side of the boundary."""
    assert completeness.clock(readings(), PROFILE).passed
    assert clock_of(5) is Outcome.PASSED
    assert clock_of(605) is Outcome.INCONCLUSIVE
    assert completeness.clock(readings(stored=Unmeasured("p", "x")), PROFILE).outcome is Outcome.INCONCLUSIVE


def test_a_document_that_was_delivered_again_is_compared_with_its_last_completion() -> None:
    """Another replica finished it 632 s later, and saved it anew: with right clocks that looked like 632 s."""
    name = probe(1).document_id
    stored = {name: replace(documents(0.2778).documents[0], id=name, created_at=STARTED.plus(637))}
    first = replica_reading(1, log=log(name))
    again = replica_reading(2, log=log(name, finished_at={name: STARTED.plus(637)}))
    assert completeness.clock(readings(stored=stored, replicas=(first, again)), PROFILE).passed
    assert completeness.clock(readings(stored=stored, replicas=(first,)), PROFILE).outcome is Outcome.INCONCLUSIVE


def test_a_document_that_is_in_work_again_tells_only_that_clocks_agree() -> None:
    """It may have been saved once more since the log was read."""
    assert clock_of(5, unfinished={probe(1).document_id: STARTED.plus(60)}) is Outcome.PASSED
    name = probe(1).document_id
    stored = {name: replace(documents(0.2778).documents[0], id=name, created_at=STARTED.plus(637))}
    busy = replica_reading(1, log=log(name, unfinished={name: STARTED.plus(60)}))
    claim = completeness.clock(readings(stored=stored, replicas=(busy,)), PROFILE)
    assert "cannot be compared" in claim.says


def test_without_logs_the_clock_is_told_by_sending_and_finding() -> None:
    """As long as it was found soon after it was sent."""
    hidden = tuple(replica_reading(n, log=Unmeasured("the log", "driver none")) for n in (1, 2))
    soon = probe(1, completed_at=None, seen_at=STARTED.plus(5.5))
    assert completeness.clock(readings(replicas=hidden, probes=ProbesReading((soon,), 400)), PROFILE).passed
    late = probe(1, completed_at=None, seen_at=STARTED.plus(60))
    blind = readings(replicas=hidden, probes=ProbesReading((late,), 400))
    assert completeness.clock(blind, PROFILE).outcome is Outcome.INCONCLUSIVE


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_the_interval_holds_the_mean(scores: list[float]) -> None:
    sample = completeness.sample_of(scores, 0.95)
    assert sample.low - 1e-9 <= sample.mean <= sample.high + 1e-9


@pytest.mark.parametrize(("degrees", "table"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045)])
def test_students_t_agrees_with_the_table(degrees: int, table: float) -> None:
    """Mean 0.5 with a spread chosen so that the half width is t itself, scaled by a thousandth."""
    scores = [0.5 + (0.001 if n % 2 else -0.001) for n in range(degrees + 1)]
    sample = completeness.sample_of(scores, 0.95)
    import statistics

    expected = table * statistics.stdev(scores) / len(scores) ** 0.5
    assert sample.high - sample.mean == pytest.approx(expected, rel=0.01)


@given(st.lists(st.floats(0.59, 0.62), min_size=1, max_size=30))
def test_the_changed_level_is_never_passed(scores: list[float]) -> None:
    assert outcome_of(*scores) is Outcome.INCONCLUSIVE


def baseline(mean: float) -> Baseline:
    return Baseline("20260120T090000Z-abcd", "2026-01-20T09:00:00Z", mean, 0.05, 40)


@pytest.mark.parametrize(
    ("mean", "scores", "outcome"),
    [
        (0.78, [0.7778] * 10, Outcome.PASSED),
        (0.78, [0.2778] * 10, Outcome.INCONCLUSIVE),
        (0.78, [0.7778] * 2, Outcome.PASSED),
        (0.78, [0.6111] * 10, Outcome.INCONCLUSIVE),
        (0.78, [0.7778] * 5 + [0.6111] * 5, Outcome.INCONCLUSIVE),
        (0.78, [0.1] * 10, Outcome.FAILED),
        (0.78, [1.0] * 5 + [0.55] * 5, Outcome.INCONCLUSIVE),
        (0.58, [0.6] * 10, Outcome.PASSED),
        (0.58, [0.55] * 10, Outcome.PASSED),
        (0.17, [0.1667] * 10, Outcome.INCONCLUSIVE),
        (0.60, [0.2] * 5 + [1.0] * 5, Outcome.INCONCLUSIVE),
        (0.28, [0.2778] * 10, Outcome.PASSED),
        (0.28, [0.7778] * 10, Outcome.INCONCLUSIVE),
    ],
)
def test_a_snapshot_says_what_normal_was(mean: float, scores: list[float], outcome: Outcome) -> None:
    """The band lies around what was before the change, as wide as the profile's; at the change's level the code decides."""
    claim = completeness.in_band(readings(documents=documents(*scores), baseline=baseline(mean)), PROFILE)
    assert claim.outcome is outcome, claim
    assert "by snapshot 20260120T090000Z-abcd of 40 documents" in " ".join(claim.details)


def test_at_the_changes_level_unproven_code_is_inconclusive() -> None:
    """The baseline was there too: averages cannot tell, and nothing else does."""
    unread = replica_reading(1, code=Unmeasured("the code", "it is gone"))
    seen = readings(documents=documents(*[0.6] * 10), baseline=baseline(0.58), replicas=(unread, replica_reading(2)))
    assert completeness.in_band(seen, PROFILE).outcome is Outcome.INCONCLUSIVE


def test_advice_for_an_index_is_shown() -> None:
    """Where every reading looks through the whole collection."""
    slow = replace(documents(*[0.2778] * 10), advice="an index makes this fast: ...")
    assert slow.advice in completeness.in_band(readings(documents=slow), PROFILE).details


def test_a_document_that_another_replica_saved_over_does_not_hide_its_score() -> None:
    """Delivered twice: what is stored is of the last one, and the first one's own score stands in its log alone."""
    stored = documents(0.2778)
    over = replica_reading(1, log=log("0.jpg", scores={"0.jpg": 0.6111}))
    last = replica_reading(2, log=log("0.jpg", scores={"0.jpg": 0.278}))
    both = readings(replicas=(over, last), documents=stored, stored={"0.jpg": stored.documents[0]})
    claim = completeness.in_band(both, PROFILE)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "0.jpg with 61.1%" in claim.says
    alike = replace(both, replicas=(replica_reading(1, log=last.log), last))
    assert completeness.in_band(alike, PROFILE).passed


def test_documents_that_vanish_by_their_time_are_told() -> None:
    """A worker that writes local time: what it has just saved lies in the future."""
    world = readings(documents=DocumentsReading(STARTED, (), ahead=3), probes=ProbesReading((), 400), stored={})
    claim = completeness.in_band(world, PROFILE)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "3 documents have a time to come by the engine's clock" in claim.says
