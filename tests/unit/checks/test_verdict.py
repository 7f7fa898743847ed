from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.checks import sentences
from rollback_gate.checks.manifest import MANIFEST, Scope, gate_id
from rollback_gate.checks.verdict import Ran, judge
from rollback_gate.model import Evidence, Outcome, Verdict, failed, inconclusive, passed
from rollback_gate.profile.deployment import SettingItem
from tests.unit.builders import ROOT, phase1

SLOTS = {"replica-1": True, "replica-2": True, "other-1": False}
GOOD = Ran("passed", True, passed("x", "holds", Evidence.CODE))
BAD = Ran("failed", True, failed("x", "does not hold", Evidence.CODE))
FOUR = Scope.of(phase1())
ALL = tuple(FOUR.ids(SLOTS))


def all_good() -> dict[str, Ran]:
    return dict.fromkeys(ALL, GOOD)


def test_go_needs_everything() -> None:
    judgement = judge(SLOTS, all_good(), FOUR)
    assert judgement.verdict is Verdict.GO
    assert [f.outcome for f in judgement.findings] == [Outcome.PASSED] * 4


@given(st.sampled_from(ALL))
def test_a_missing_test_is_never_go(missing: str) -> None:
    """Deselected, renamed, skipped at collection: whatever did not run."""
    ran = all_good()
    del ran[missing]
    assert judge(SLOTS, ran, FOUR).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "ran",
    [
        Ran("", False, None, "setup failed"),
        Ran("passed", True, None),
        Ran("passed", False, GOOD.claim, "teardown failed"),
        Ran("skipped", True, GOOD.claim),
        Ran("skipped (xfail)", True, GOOD.claim),
        Ran("passed (xfail)", True, GOOD.claim),
        Ran("failed", True, GOOD.claim),
        Ran("failed", True, None, "AssertionError of a library"),
        Ran("failed", True, inconclusive("x", "unknown")),
    ],
)
def test_anything_but_a_clean_pass_is_inconclusive(ran: Ran) -> None:
    """Also an AssertionError that no claim stands behind: a dead daemon raises those."""
    for test in (ALL[0], ALL[-1]):
        assert judge(SLOTS, {**all_good(), test: ran}, FOUR).verdict is Verdict.INCONCLUSIVE


@given(st.dictionaries(st.sampled_from(ALL), st.sampled_from([GOOD, BAD, Ran("", False, None)])), st.sampled_from(ALL))
def test_a_measured_failure_wins(others: dict[str, Ran], failing: str) -> None:
    assert judge(SLOTS, {**others, failing: BAD}, FOUR).verdict is Verdict.NO_GO


def test_zero_replicas_are_never_go() -> None:
    assert judge({}, dict.fromkeys(FOUR.ids({}), GOOD), FOUR).verdict is Verdict.INCONCLUSIVE


def test_an_unexpected_replica_without_tests_is_never_go() -> None:
    """A third replica turned up after collection: its tests are required and did not run."""
    assert judge(SLOTS | {"replica-3": True}, all_good(), FOUR).verdict is Verdict.INCONCLUSIVE


STARTED = "test_new_behaviour::test_process_started_after_the_restore"
FILES = "test_new_behaviour::test_restored_files_are_the_old_code"


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ([f"{FILES}[replica-1]"], "replica-1 does not have the old code"),
        (
            [f"{FILES}[replica-1]", f"{FILES}[replica-2]"],
            "both workers do not have the old code",
        ),
        (
            [f"{STARTED}[{slot}]" for slot in SLOTS],
            "all 3 containers still run what they loaded before the old code was put back: they were not restarted since",
        ),
        (
            [f"{STARTED}[other-1]", f"{FILES}[other-1]"],
            "other-1 does not have the old code",
        ),
    ],
)
def test_a_failure_is_one_sentence_that_a_person_would_say(failing: list[str], reason: str) -> None:
    """Of the first test that failed, in the order of the manifest: the rest mostly follows from it."""
    judgement = judge(SLOTS, all_good() | dict.fromkeys(failing, BAD), FOUR)
    assert judgement.reason == reason
    assert judgement.findings[0].reason == reason
    assert judgement.findings[0].tally == f"{len(failing)} of 20 assertions failed"


def test_what_a_claim_quotes_stays_as_it_is() -> None:
    """A log line with brackets is no form of a word of ours."""
    claim = failed("scores", "one is [nan|inf] {who}", Evidence.DOCUMENT)
    ran = all_good() | {"test_completeness::test_scores_are_readable": Ran("failed", True, claim)}
    assert judge(SLOTS, ran, FOUR).reason == "scores of documents cannot be right: one is [nan|inf] {who}"


def test_what_could_not_be_judged_says_why() -> None:
    unknown = Ran("failed", True, inconclusive("replica-1", "the log could not be read"))
    judgement = judge(SLOTS, all_good() | {f"{FILES}[replica-1]": unknown}, FOUR)
    assert judgement.reason == "replica-1: the log could not be read"


def test_every_required_test_has_its_sentence() -> None:
    assert {required.test for required in MANIFEST} == sentences.TESTS


def test_a_go_names_what_was_judged() -> None:
    judgement = judge(SLOTS, all_good(), FOUR)
    assert judgement.reason == "all four checks passed on 2 workers and 1 other"
    assert judgement.findings[0].reason == "2 workers and 1 other run the old code"
    alone = {"replica-1": True}
    one = judge(alone, dict.fromkeys(FOUR.ids(alone), GOOD), FOUR)
    assert one.reason == "all four checks passed on 1 worker"
    assert [f.reason for f in one.findings] == [
        "1 worker runs the old code",
        "1 worker runs, and stayed up while the checks ran",
        "the worker has finished a document since its start, and it was saved",
        "holds",
    ]


def test_the_manifest_is_what_the_gate_collects() -> None:
    """Renaming, adding or removing a test of tests/gate without the manifest is seen here."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--collect-only",
            "-q",
            "-c",
            "tests/gate/gate.ini",
            "-p",
            "tests.unit.collect_gate",
            "--noconftest",
            "tests/gate",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {gate_id(line) for line in done.stdout.splitlines() if "::" in line}
    assert found == set(Scope().ids({"one": True})), done.stdout + done.stderr
    assert len(found) == len(MANIFEST)


def test_notes_stand_beside_a_go_and_lead_any_other_verdict() -> None:
    """ "2 test documents remain in the queue" beside GO; "fix the MCP server first" as the reason of INCONCLUSIVE."""
    noted = Ran("passed", True, replace(passed("x", "holds", Evidence.CODE), note="2 remain"))
    assert judge(SLOTS, all_good() | {ALL[0]: noted}, FOUR).notes == ("2 remain",)
    assert judge(SLOTS, all_good() | {ALL[0]: noted, ALL[1]: BAD}, FOUR).notes == ()
    first = Ran("failed", True, replace(inconclusive("y", "cannot tell"), note="fix the MCP server first"))
    judgement = judge(
        SLOTS, all_good() | {ALL[0]: Ran("failed", True, inconclusive("x", "unknown")), ALL[-1]: first}, FOUR
    )
    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, "fix the MCP server first")


def test_a_check_that_is_left_out_by_name_is_not_required_and_shows_in_the_verdict() -> None:
    """GO (3 of 4); any other check decides as before, and a missing test of one is never GO."""
    three = replace(FOUR, not_asked={"completeness": "thumbnails have no score"})
    ran = dict.fromkeys(three.ids(SLOTS), GOOD)
    judgement = judge(SLOTS, ran, three)
    assert (judgement.verdict, judgement.headline) == (Verdict.GO, "GO (3 of 4)")
    assert "completeness" not in [finding.check for finding in judgement.findings]
    first = next(iter(ran))
    assert judge(SLOTS, ran | {first: BAD}, three).headline == "NO-GO"
    assert judge(SLOTS, {test: one for test, one in ran.items() if test != first}, three).headline == "INCONCLUSIVE"
    assert judge(SLOTS, ran, FOUR).verdict is Verdict.INCONCLUSIVE, "all four are asked"


def test_without_a_database_no_document_can_carry_a_mark() -> None:
    """The one test that would ask for it is not required; all others are."""
    left_out = {"processing": "an API has no queue", "completeness": "nor a score"}
    profile = phase1().model_copy(update={"database": None, "queue": None, "not_asked": left_out})
    scope = Scope.of(profile)
    assert scope.share == "2 of 4"
    asked = {test.partition("::")[0] for test in scope.ids(SLOTS)}
    assert asked == {"test_new_behaviour", "test_worker_running"}
    missing = {required.test for required in MANIFEST if required.check == "new_behaviour"} - {
        required.test for required in scope.required
    }
    assert missing == {"test_fresh_documents_carry_no_mark", "test_settings_and_images_are_the_old_ones"}


def test_of_a_change_without_files_what_containers_were_created_with_is_required() -> None:
    """And no file: none is restored. A record that asks for none of the items is nobody's."""
    setting = SettingItem(kind="setting", services=("worker",), file=".env", key="A", new="1", old="0")
    scope = Scope.of(phase1().model_copy(update={"change": (setting,)}))
    asked = {required.test for required in scope.required}
    assert "test_settings_and_images_are_the_old_ones" in asked
    assert not asked & {"test_restored_files_are_the_old_code", "test_process_started_after_the_restore"}
    assert "test_next_start_is_what_was_judged" in asked
    table = {"not_asked": {}, "without": scope.without, "own": ()}
    assert Scope.parse(table) == scope
    with pytest.raises(ValueError, match="every test of the change's items"):
        Scope.parse(table | {"without": (*scope.without, "test_settings_and_images_are_the_old_ones")})


def test_without_a_worker_no_sentence_speaks_of_documents() -> None:
    """What was asked is the service itself."""
    claim = passed("answers", "as it should be: request", Evidence.PROCESS)
    assert sentences.passed("processing", {"api-1": False}, [claim]) == (
        "what the service answers is as it should be: request"
    )
