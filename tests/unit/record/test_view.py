"""What a record shows first: the sentence, the figures, the timeline, the box of what a GO does not show."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rollback_gate.change.import_graph import KeptModules
from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import Ran
from rollback_gate.model import Evidence, failed, inconclusive, passed
from rollback_gate.record import build, view
from tests.unit.builders import OLD_CODE, documents, readings, replica_reading
from tests.unit.record.test_record import NOW, SLOTS, THREE, record

FILES = "test_new_behaviour::test_restored_files_are_the_old_code"
STARTED = "test_new_behaviour::test_process_started_after_the_restore"
OLD = Ran("failed", True, failed("replica-1 (w-1)", "is older than the restored file", Evidence.PROCESS))
RUN = {
    "id": "r",
    "outcome": "done",
    "at": str(NOW.plus(-60)),
    "ended_at": str(NOW.plus(-40)),
    "reason": "too many errors",
    "interruption": {"seconds": 0.64, "says": "0.6 s"},
    "attempts": [],
}
WHY = {
    "decision": "ROLL BACK NOW",
    "in_words": "ROLL BACK NOW",
    "reason": "16.7% is too low",
    "at": str(NOW.plus(-90)),
    "numbers": {"deployed_at": str(NOW.plus(-1800))},
}


@pytest.mark.parametrize(
    ("made", "lead"),
    [
        (record(), "The old code runs: all four checks passed on 2 workers"),
        (record() | {"run": RUN}, "The rollback worked: all four checks passed on 2 workers"),
        (record() | {"run": RUN | {"outcome": "failed"}}, "The old code runs: all four checks passed on 2 workers"),
        (
            record(**{f"{STARTED}[replica-1]": OLD}),
            "The change is still there: replica-1 still runs what it loaded before the old code was put back: "
            "it was not restarted since",
        ),
        (record(**{f"{STARTED}[replica-1]": Ran("", True, None)}), "Not decided: "),
        ({"reason": "the rollback failed: x", "state_of_service": []}, "The rollback failed: x"),
        ({"reason": "step 'w' failed: x", "cause": "the worker is dead", "state_of_service": []}, "The worker is dead"),
    ],
)
def test_the_sentence(made: dict[str, Any], lead: str) -> None:
    assert view.lead(made).startswith(lead)


@pytest.mark.parametrize(
    ("own", "why", "says"),
    [
        ("", None, "no reason was given"),
        ("mine", None, "mine"),
        ("mine", WHY, "mine; the assessment said ROLL BACK NOW: 16.7% is too low"),
        ("16.7% is too low", WHY, "16.7% is too low; the assessment said ROLL BACK NOW"),
        ("", WHY, "ROLL BACK NOW: 16.7% is too low"),
        (
            "mine",
            WHY | {"decision": "WAIT", "in_words": "WAIT"},
            "mine; in spite of the assessment, which said WAIT: 16.7% is too low",
        ),
    ],
)
def test_the_operators_reason_comes_first(own: str, why: Any, says: str) -> None:
    """And nothing is said twice."""
    assert view.reason({"run": RUN | {"reason": own}, "assessment": why}) == says
    assert view.reason({"run": None, "assessment": None}).startswith("not known")


def test_three_figures() -> None:
    values = [figure.value for figure in view.figures(record() | {"run": RUN})]
    assert values == ["0.6 s", "27.8%", "2 of 2"]
    silent = Ran("failed", True, inconclusive("replica-1", "its log proves nothing"))
    log = view.figures(record(**{"test_new_behaviour::test_log_shows_no_new_behaviour[replica-1]": silent}))
    assert log[2].value == "2 of 2", "its files and its process are old all the same"
    one = view.figures(record(**{f"{STARTED}[replica-1]": OLD}))
    assert [figure.value for figure in one] == ["not known", "27.8%", "1 of 2"]
    none = view.figures(record() | {"run": RUN | {"interruption": {"seconds": 0.0, "says": "none"}}, "slots": {}})
    assert [figure.value for figure in none] == ["none", "27.8%", "not known"]


@pytest.mark.parametrize(
    ("scores", "value"),
    [((0.27, 0.28), "27.0% to 28.0%"), ((0.278, 0.278), "27.8%"), ((), "not known"), ((0.2, *[0.3] * 11), "29.2%")],
)
def test_few_documents_have_no_mean(scores: tuple[float, ...], value: str) -> None:
    plain = build.plain(replace(readings(), documents=documents(*scores)))
    assert view.figures(record() | {"readings": plain})[1].value == value


def test_the_timeline_is_in_order_and_to_scale() -> None:
    """What is much further away than all others are apart is listed, and not drawn."""
    made = record() | {"run": RUN, "assessment": WHY, "began": str(NOW.plus(-30)), "ended": str(NOW)}
    events = view.events(made)
    assert [event.says for event in events] == [
        "change deployed",
        "assessed: ROLL BACK NOW",
        "rollback began",
        "rollback done",
        "verify began",
        "verdict",
    ]
    places = [event.place for event in events]
    assert places[0] is None
    assert places[1:] == pytest.approx([0, 33.33, 55.56, 66.67, 100], abs=0.01)
    assert [len(event.shown) > 12 for event in events] == [True, *[False] * 5], "the date stands there once"


def test_what_came_at_once_stays_apart() -> None:
    rows = [event.place for event in view.events(record())]
    drawn = [place for place in rows if place is not None]
    assert drawn == sorted(drawn)
    assert all(b - a > 2 for a, b in pairwise(drawn))
    assert max(drawn) <= 100


def test_a_failed_run_ends_with_its_failure() -> None:
    steps = [{"says": "restart w-1", "outcome": "failed"}]
    made = record() | {"run": RUN | {"steps": steps}, "state_of_service": [], "kind": "rollback", "ended": str(NOW)}
    assert [(e.says, e.is_bad) for e in view.events(made)][-1] == ("failed: restart w-1", True)


def test_what_replicas_share_is_said_once() -> None:
    rows = {f"test_new_behaviour::test_removed_modules_are_gone[{slot}]": slot for slot in SLOTS}
    claims = {test: Ran("passed", True, passed(slot, "modules are gone", Evidence.CODE)) for test, slot in rows.items()}
    card = view.cards(record(**claims))[0]
    assert ("modules are gone", ("replica-1", "replica-2")) in [(one.says, one.subjects) for one in card.folded]
    both = {f"{STARTED}[{slot}]": OLD for slot in SLOTS}
    assert len(view.cards(record(**both))[0].open) == 1
    other = Ran("failed", True, failed("replica-2", "is older than the restored file", Evidence.PROCESS, "by 9 s"))
    assert len(view.cards(record(**both | {f"{STARTED}[replica-2]": other}))[0].open) == 2, "with its own evidence"
    unknown = Ran("", True, None)
    first, *_ = view.cards(record(**{f"{FILES}[replica-1]": unknown, f"{STARTED}[replica-2]": other}))[0].open
    assert first.outcome == "failed", "what failed comes first"


def test_a_check_that_did_not_run_says_so() -> None:
    made = record() | {"findings": []}
    assert {pill.word for pill in view.pills(made)} == {"– not run"}
    assert {(card.reason, card.tally) for card in view.cards(made)} == {("did not run", "")}


def before(outcome: str) -> dict[str, Any]:
    checks = ("new_behaviour", "worker_running", "processing", "completeness")
    row = {"outcome": outcome, "held": 3, "asked": 4}
    return {"before": {"at": str(NOW), "checks": dict.fromkeys(checks, row)}}


def test_what_a_go_does_not_show() -> None:
    waived = [{"key": "waived.thumbnailer", "value": "has no errors module", "origin": "profile x"}]
    made = record() | {"settings": waived, "notes": ["2 test documents remain"], **before("passed")}
    said = " ".join(view.limits(made | {"run": RUN | {"attempts": [{"overrides": ["--accept-diff"]}]}}))
    for part in (
        "2 test documents remain",
        "Not judged: thumbnailer (has no errors module)",
        "Passed before",
        "--accept-diff",
    ):
        assert part in said
    kept = replace(OLD_CODE, kept=KeptModules((), ()), still_there=("enrichment_service/errors",))
    partial = build.plain(readings(replicas=(replica_reading(1, code=kept), replica_reading(2))))
    assert any("modules of the change are kept" in line for line in view.limits(record() | {"readings": partial}))
    assert not any("modules of the change are kept" in line for line in view.limits(record()))
    assert "Passed before" not in " ".join(view.limits(record() | before("failed")))
    assert any("not run before" in line for line in view.limits(record()))
    assert view.limits(record(**{f"{STARTED}[replica-1]": OLD})) == []


def test_a_pass_before_and_after_is_said_in_the_card() -> None:
    cards = view.cards(record() | before("passed"))
    assert all("does not show that anything changed" in card.before for card in cards)
    assert all("✘ failed (3 of 4" in card.before for card in view.cards(record() | before("failed")))


def test_replicas_that_were_not_read_are_not_called_old() -> None:
    """An assertion that held, and whose test did not end well, counts for nothing."""
    tests = {
        test: Ran("passed", test.endswith("1]"), passed("x", "holds", Evidence.CODE)) for test in Scope().ids(SLOTS)
    }
    assert view.figures(record(**tests))[2].value == "1 of 2"


def test_what_a_go_for_three_checks_does_not_show() -> None:
    made = record(THREE)
    assert "Not asked: Completeness back to normal (thumbnails have no score)." in view.limits(made)
    assert [pill.word for pill in view.pills(made)][-1] == "– not asked"
    (card,) = [card for card in view.cards(made) if card.label.startswith("Completeness")]
    assert (card.pill.word, card.reason) == ("– not asked", "not asked: thumbnails have no score")
