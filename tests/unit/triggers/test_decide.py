"""What the triggers decide: every combination that the tree distinguishes, and that worse is never calmer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.change.content import Content
from rollback_gate.evidence.readings import ProbeReading, Series
from rollback_gate.evidence.symptoms import LogHistory, Symptoms
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.triggers import Fixes
from rollback_gate.triggers.decide import RULES, decide
from rollback_gate.triggers.rule import State, named
from tests.unit.builders import document, phase1
from tests.unit.triggers.situations import (
    GONE,
    HOUR,
    MCP_AWAY,
    MCP_SILENT,
    NOW,
    attempts,
    errors,
    failures,
    history,
    series,
    well,
    worker,
)

PROFILE = phase1()
KEEP, WAIT, TELL = Decision.KEEP, Decision.WAIT, Decision.CANNOT_TELL
ASK, MCP, BACK = Decision.INVESTIGATE, Decision.FIX_UPSTREAM, Decision.ROLL_BACK
LATE = 3 * HOUR
PROBE = ProbeReading("rollback-probe-x.jpg", NOW, "replica-1", 5.0, NOW, document())
BROKEN = history(import_error="ModuleNotFoundError: No module named 'x'", import_error_at=NOW, consuming_at=None)
MENDED = history(import_error="ModuleNotFoundError: No module named 'x'", import_error_at=NOW.plus(-HOUR))
SLOW = attempts(10, 500)
SLOW_BY_MCP = attempts(10, 500, upstream=4)
RISING = series(0.2, 0.25, 0.3, 0.35, 0.4)
HANGING = (*attempts(5), *(replace(a, finished=False, after=1) for a in attempts(5, 500)))
# Finished after the queue had lost its patience, and delivered again: slow, and none that hangs.
AGAIN = tuple(replace(a, finished=False, after=1, again=True) for a in attempts(5, 500))
FAILING_LATER = tuple(replace(a, after=1) for a in failures(5))
IN_WORK = tuple(replace(a, finished=False) for a in attempts(2, 30))
OWN = tuple(replace(a, document=f"rollback-probe-{n}.jpg") for n, a in enumerate(failures(9)))
OWN_HANGS = replace(attempts(1)[0], document=PROBE.document_id, finished=False, after=1)
FLAT = series(0.3, 0.31, 0.3, 0.31, 0.3)

CASES: list[tuple[str, Symptoms, Decision, str]] = [
    # what is the matter, the symptoms, the decision, the rule that makes it
    ("all is well", well(), KEEP, "reaches_target"),
    ("all is well, late", well(LATE), KEEP, "reaches_target"),
    ("import error", well(log=BROKEN), BACK, "import_error"),
    ("import error of an earlier start", well(log=MENDED), KEEP, "reaches_target"),
    (
        "restarting",
        well(workers=(worker(status="restarting", restarting=True, exit_code=1), worker())),
        BACK,
        "crash_on_start",
    ),
    ("exited by itself", well(workers=(worker(status="exited", exit_code=1), worker())), BACK, "crash_on_start"),
    (
        "out of memory",
        well(workers=(worker(status="exited", exit_code=137, oom_killed=True), worker())),
        BACK,
        "crash_on_start",
    ),
    (
        "hangs at its start",
        well(workers=(worker(history(consuming_at=None), in_queue=False), worker())),
        BACK,
        "crash_on_start",
    ),
    ("the queue does not know it just now", well(workers=(worker(in_queue=False), worker())), TELL, "crash_on_start"),
    ("the queue cannot be asked", well(workers=(worker(in_queue=GONE), worker()), queue=GONE), KEEP, "reaches_target"),
    (
        "not in the queue, and its log begins late",
        well(workers=(worker(history(consuming_at=None, since=NOW.plus(-60)), in_queue=False), worker())),
        TELL,
        "crash_on_start",
    ),
    ("stopped by SIGTERM", well(workers=(worker(status="exited", exit_code=143), worker())), ASK, "stopped"),
    ("never came up", well(workers=(worker(status="created", exit_code=127), worker())), BACK, "crash_on_start"),
    (
        "failed, then idle for an hour",
        well(LATE, log=history(attempts=(*attempts(7), *failures(3, seconds=HOUR)))),
        KEEP,
        "reaches_target",
    ),
    ("stopped by somebody", well(workers=(worker(status="exited", exit_code=137), worker())), ASK, "stopped"),
    ("paused", well(workers=(worker(status="paused", paused=True), worker())), ASK, "stopped"),
    ("one missing", well(workers=(worker(),)), ASK, "stopped"),
    (
        "old code already",
        well(workers=tuple(replace(worker(), content=(Content.OLD,)) for _ in "ab")),
        ASK,
        "nothing_to_roll_back",
    ),
    ("all fail alike", well(log=history(attempts=failures(5))), BACK, "same_error"),
    ("all fail alike, no MCP server", well(log=history(attempts=failures(5)), upstream=MCP_AWAY), MCP, "same_error"),
    ("all fail alike, MCP trouble in the log", well(log=history(attempts=failures(5, upstream=3))), MCP, "same_error"),
    (
        "all fail, each in its way",
        well(log=history(attempts=tuple(failures(5, f"ERROR:x:{c}")[n] for n, c in enumerate("abcde")))),
        BACK,
        "no_test_document",
    ),
    ("four failed, none succeeded", well(log=history(attempts=failures(4))), TELL, "same_error"),
    ("no document yet", well(log=history(attempts=())), TELL, "same_error"),
    ("the probe succeeded", well(probe=PROBE), KEEP, "reaches_target"),
    ("the probe failed", well(probe=replace(PROBE, document=None)), BACK, "no_test_document"),
    (
        "the probe failed, no MCP server",
        well(probe=replace(PROBE, document=None), upstream=MCP_AWAY),
        MCP,
        "no_test_document",
    ),
    ("the probe has no score", well(probe=replace(PROBE, document=document(score=None))), BACK, "no_test_document"),
    ("the probe was not picked up", well(probe=replace(PROBE, document=None, replica=None)), TELL, "no_test_document"),
    ("the probe could not be sent", well(probe=GONE), TELL, "no_test_document"),
    ("below 20 %", well(completeness=series(*[0.15] * 6)), BACK, "too_low"),
    ("below 20 %, too early", well(600, completeness=series(0.15)), WAIT, "too_low"),
    ("too slow", well(log=history(attempts=SLOW)), BACK, "too_slow"),
    ("too slow, no MCP server", well(log=history(attempts=SLOW), upstream=MCP_AWAY), MCP, "too_slow"),
    ("too slow, MCP trouble in the log", well(log=history(attempts=SLOW_BY_MCP)), MCP, "too_slow"),
    ("one of ten is slow", well(log=history(attempts=(*attempts(9), *SLOW[9:]))), KEEP, "reaches_target"),
    ("two documents are too few for consistently", well(log=history(attempts=attempts(2))), TELL, "too_slow"),
    ("a spike of unexpected errors", well(log=history(errors=(errors(60, False),))), BACK, "error_spike"),
    ("a spike of expected errors", well(log=history(errors=(errors(60, True),))), WAIT, "error_spike"),
    ("expected errors that go on", well(LATE, log=history(errors=(errors(60, True),))), ASK, "error_spike"),
    (
        "a spike with a few unexpected ones",
        well(log=history(errors=(errors(60, True), errors(5, False, "other")))),
        BACK,
        "error_spike",
    ),
    ("some expected errors", well(log=history(errors=(errors(3, True),))), WAIT, "some_errors"),
    ("some expected errors, late", well(LATE, log=history(errors=(errors(3, True),))), KEEP, "reaches_target"),
    ("some unexpected errors, late", well(LATE, log=history(errors=(errors(3, False),))), ASK, "some_errors"),
    ("errors cannot show", well(log=history(without_level=9)), TELL, "error_spike"),
    ("rising", well(completeness=RISING), WAIT, "below_target"),
    ("rising, late, 50 % is near", well(LATE, completeness=RISING), KEEP, "below_target"),
    (
        "rising, late, 50 % is far",
        well(LATE, completeness=series(*[0.2 + n / 500 for n in range(12)], deviation=0.0)),
        ASK,
        "below_target",
    ),
    ("flat", well(completeness=FLAT), ASK, "below_target"),
    ("flat, too early", well(900, completeness=FLAT), WAIT, "below_target"),
    ("falling", well(completeness=series(0.48, 0.42, 0.36, 0.3)), ASK, "below_target"),
    ("slower", well(log=history(attempts=attempts(10, 150))), WAIT, "slower"),
    ("slower, late", well(LATE, log=history(attempts=attempts(10, 150))), ASK, "slower"),
    ("slower than before", well(log=history(attempts=attempts(10, 50)), normal_s=30.0), WAIT, "slower"),
    ("mixed", well(log=history(attempts=(*failures(2), *attempts(8)[2:]))), WAIT, "mixed"),
    ("mixed, late", well(LATE, log=history(attempts=(*failures(2), *attempts(8)[2:]))), ASK, "mixed"),
    ("no database", well(completeness=GONE), TELL, "too_low"),
    ("scores that are no shares", well(completeness=replace(series(0.6), outside=2)), TELL, "too_low"),
    ("too few documents", well(completeness=series(0.6, documents=3)), TELL, "too_low"),
    ("a log that cannot be read", well(log=GONE), TELL, "import_error"),
    ("no container at all", well(workers=()), ASK, "stopped"),
    ("another project's name", well(workers=(), project_exists=False), TELL, "import_error"),
    ("the MCP server refuses", well(upstream=MCP_AWAY), MCP, "upstream"),
    (
        "the MCP server answers no call, no document yet",
        well(upstream=MCP_SILENT, log=history(attempts=())),
        MCP,
        "upstream",
    ),
    (
        "a spike of unexpected errors, MCP server in trouble",
        well(upstream=MCP_AWAY, log=history(errors=(errors(60, False),))),
        MCP,
        "error_spike",
    ),
    ("slow ones that come again", well(log=history(attempts=AGAIN)), BACK, "too_slow"),
    ("further documents hang, as with old code", well(log=history(attempts=HANGING)), KEEP, "reaches_target"),
    (
        "further documents fail with an error of their own",
        well(LATE, log=history(attempts=FAILING_LATER)),
        BACK,
        "same_error",
    ),
    ("two are in work", well(log=history(attempts=IN_WORK)), TELL, "same_error"),
    ("the gate's own documents fail", well(log=history(attempts=(*attempts(9), *OWN))), KEEP, "reaches_target"),
    (
        "the probe hangs as a further document",
        well(probe=replace(PROBE, document=None), log=history(attempts=(*attempts(9), OWN_HANGS))),
        TELL,
        "no_test_document",
    ),
    ("no engine for the containers", well(workers=GONE), TELL, "import_error"),
    (
        "an alarm beside what is unmeasured",
        well(log=history(errors=(errors(60, False),)), completeness=GONE),
        BACK,
        "error_spike",
    ),
]


@pytest.mark.parametrize(
    ("symptoms", "decision", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_decision(symptoms: Symptoms, decision: Decision, rule: str) -> None:
    """One table for every combination that the tree distinguishes."""
    made = decide(symptoms, PROFILE)
    assert (made.decision, made.rule) == (decision, rule), made.reason


def test_each_rule_decides_somewhere_and_is_quiet_somewhere() -> None:
    """No rule that cannot fire, none that always does."""
    asked = [decide(symptoms, PROFILE) for _, symptoms, *_ in CASES]
    assert {made.rule for made in asked} >= {rule.name for rule in RULES}
    quiet = {name for made in asked for name, answer in made.answers if answer.state is State.QUIET}
    assert quiet == {rule.name for rule in RULES}


def test_the_profile_can_hint_at_every_rule_and_no_other() -> None:
    assert set(Fixes.model_fields) == {rule.name for rule in RULES}


def test_investigate_names_the_other_trends() -> None:
    """The tree's "may rollback if above trends met"."""
    made = decide(well(completeness=FLAT, log=history(errors=(errors(3, True),))), PROFILE)
    assert made.reason.endswith("also: some_errors")
    assert decide(well(completeness=FLAT), PROFILE).reason.endswith("no other trend is met")


def test_a_hint_is_given_only_where_a_rule_fires() -> None:
    assert "adaptive timeouts" in decide(well(completeness=series(*[0.15] * 6)), PROFILE).fix
    assert decide(well(completeness=GONE), PROFILE).fix == ""


def test_a_wait_says_when_it_ends_and_when_50_percent_is_reached() -> None:
    reason = decide(well(completeness=RISING), PROFILE).reason
    assert "50% in 15 minutes" in reason
    assert "the wait ends at 15:00:00 UTC" in reason


def test_what_is_told_of_documents_in_work_and_of_few_scores() -> None:
    """Two in work are not "no document was picked up", one score is not "0 documents with a score"."""
    said = {name: answer.says for name, answer in decide(well(log=history(attempts=IN_WORK)), PROFILE).answers}
    assert "2 documents are in work" in said["same_error"]
    few = decide(well(completeness=series(0.6, documents=1)), PROFILE)
    assert "1 documents with a score" in dict(few.answers)["too_low"].says


def test_a_normal_of_next_to_nothing_makes_nothing_slower() -> None:
    """Documents of 0.04 s before, of 0.3 s now."""
    made = decide(well(normal_s=0.04, log=history(attempts=attempts(10, 0.3))), PROFILE)
    assert "normal: up to 10 s" in dict(made.answers)["slower"].says


def test_a_document_that_another_replica_finished_has_not_failed() -> None:
    """The queue delivers it again where it failed once."""
    both = (worker(history(attempts=failures(5))), worker(history(attempts=attempts(5))))
    assert decide(well(workers=both), PROFILE).decision is KEEP


# --- worse is never calmer


def lower(symptoms: Symptoms, by: float) -> Symptoms:
    """The whole curve, as it is: a lower beginning alone would be a rise."""
    assert isinstance(symptoms.completeness, Series)
    by = min(by, *(b.mean for b in symptoms.completeness.buckets))
    buckets = tuple(replace(b, mean=b.mean - by) for b in symptoms.completeness.buckets)
    return replace(symptoms, completeness=replace(symptoms.completeness, buckets=buckets))


def with_log(symptoms: Symptoms, **changes: Any) -> Symptoms:
    assert not isinstance(symptoms.workers, Unmeasured)
    first, *rest = symptoms.workers
    assert isinstance(first.log, LogHistory)
    return replace(symptoms, workers=(replace(first, log=replace(first.log, **changes)), *rest))


def log_of(symptoms: Symptoms) -> LogHistory:
    return symptoms.logs[0]


def slowed(symptoms: Symptoms, by: float) -> Symptoms:
    return with_log(symptoms, attempts=tuple(replace(a, seconds=a.seconds * by) for a in log_of(symptoms).attempts))


def failed(symptoms: Symptoms, which: int) -> Symptoms:
    """One that is not too slow already: a document counts once."""
    rows = list(log_of(symptoms).attempts)
    quick = [n for n, attempt in enumerate(rows) if attempt.seconds <= PROFILE.triggers.slow_s]
    if quick:
        n = quick[which % len(quick)]
        rows[n] = replace(rows[n], finished=False, failed=True, error="ERROR:x:y", sample="ERROR:x:y")
    return with_log(symptoms, attempts=tuple(rows))


def more_errors(symptoms: Symptoms, count: int, expected: bool) -> Symptoms:
    return with_log(symptoms, errors=(*log_of(symptoms).errors, errors(count, expected, f"another {expected} {count}")))


def crashed(symptoms: Symptoms, _: float) -> Symptoms:
    assert not isinstance(symptoms.workers, Unmeasured)
    down = replace(symptoms.workers[0], replica=worker(status="restarting", restarting=True).replica)
    return replace(symptoms, workers=(down, *symptoms.workers[1:]))


SOMEHOW = st.builds(
    well,
    elapsed_s=st.sampled_from([600.0, 1800.0, HOUR, 2 * HOUR, LATE]),
    log=st.builds(
        history,
        attempts=st.tuples(
            st.lists(st.tuples(st.floats(0.1, 900), st.booleans()), max_size=25),
            st.integers(0, 2),  # whether the MCP server is in trouble is a reading of its own, for all of them
        ).map(
            lambda both: tuple(
                replace(
                    attempts(1, seconds, upstream=both[1])[0],
                    document=f"{n}",
                    at=NOW.plus(n - 600),
                    finished=not bad,
                    failed=bad,
                    error="ERROR:x:y" if bad else "",
                )
                for n, (seconds, bad) in enumerate(both[0])
            )
        ),
        errors=st.lists(st.tuples(st.integers(0, 70), st.booleans()), max_size=3).map(
            lambda rows: tuple(errors(count, expected, f"{n}") for n, (count, expected) in enumerate(rows))
        ),
    ),
    completeness=st.lists(st.floats(0, 1), min_size=1, max_size=8).map(lambda means: series(*means)),
)
WORSE = st.one_of(
    st.floats(0, 0.7).map(lambda by: ("lower", lambda s: lower(s, by))),
    st.floats(1, 9).map(lambda by: ("slower", lambda s: slowed(s, by))),
    st.integers(0, 24).map(lambda n: ("one more fails", lambda s: failed(s, n))),
    st.tuples(st.integers(1, 80), st.booleans()).map(lambda row: ("errors", lambda s: more_errors(s, *row))),
    st.just(("crash", lambda s: crashed(s, 0))),
)


def without_target() -> Profile:
    return PROFILE.model_copy(update={"triggers": PROFILE.triggers.model_copy(update={"target": None})})


@pytest.mark.parametrize(
    ("level", "decision", "rule"),
    [
        ((0.3,) * 5, KEEP, "reaches_target"),
        ((0.6,) * 5, KEEP, "reaches_target"),
        ((0.21,) * 5, ASK, "below_target"),
        ((0.1,) * 5, BACK, "too_low"),
    ],
)
def test_without_a_target_the_change_must_reach_what_is_normal(
    level: tuple[float, ...], decision: Decision, rule: str
) -> None:
    """Another team's change promises nothing that Phase 1 did; but scores below the band are not good."""
    found = decide(well(LATE, completeness=series(*level)), without_target())
    assert (found.decision, found.rule) == (decision, rule)


def test_questions_name_the_limits_of_the_profile() -> None:
    own = PROFILE.triggers.model_copy(update={"target": 0.8, "slow_s": 20.0, "spike": 7, "wait_s": 5400.0})
    assert PROFILE.completeness
    wanted = PROFILE.completeness.model_copy(update={"critical": 0.1})
    profile = PROFILE.model_copy(update={"triggers": own, "completeness": wanted})
    texts = " ".join(named(text, profile) for rule in RULES for text in (rule.asks, rule.leads_to))
    for words in (
        "below 10 % after 30 minutes",
        "80 % and more",
        "above 20 s",
        "spike, 7 an hour",
        "WAIT up to 90 minutes",
    ):
        assert words in texts
    assert "below 23 %?" in " ".join(named(rule.asks, without_target()) for rule in RULES)
    unscored = without_target().model_copy(update={"completeness": None})
    assert "below its target?" in " ".join(named(rule.asks, unscored) for rule in RULES)


@given(SOMEHOW, WORSE)
def test_worse_is_never_calmer(symptoms: Symptoms, worse: tuple[str, Any]) -> None:
    """One reading gets worse, all others stay: the decision stays, or becomes more severe."""
    name, change = worse
    changed = change(symptoms)
    before, after = decide(symptoms, PROFILE), decide(changed, PROFILE)
    assert after.decision.severity >= before.decision.severity, (name, before.reason, after.reason)


@given(SOMEHOW, st.sampled_from(["completeness", "workers", "log"]))
def test_what_is_unmeasured_is_never_calm(symptoms: Symptoms, what: str) -> None:
    """KEEP and WAIT need every reading."""
    without = {
        "log": replace(symptoms, workers=(worker(GONE), worker())),
        "completeness": replace(symptoms, completeness=GONE),
        "workers": replace(symptoms, workers=GONE),
    }
    assert decide(without[what], PROFILE).decision.severity >= TELL.severity


def test_a_document_that_is_in_work_again_elsewhere_has_taken_its_time() -> None:
    """The queue delivered it again to another replica, which has it for a moment only."""
    (before,) = attempts(1, 500)
    before = replace(before, finished=False)
    again = replace(before, at=before.at.plus(600), seconds=0.1)
    both = well(workers=(worker(history(attempts=(before,))), worker(history(attempts=(again,)))))
    assert [(a.at, a.seconds) for a in both.attempts] == [(again.at, 500)]
    done = replace(again, finished=True)
    both = well(workers=(worker(history(attempts=(before,))), worker(history(attempts=(done,)))))
    assert [a.seconds for a in both.attempts] == [0.1]


def test_a_rule_whose_check_is_left_out_is_left_out_too() -> None:
    """An API without a queue has no documents: that is no reason to say CANNOT TELL for ever."""
    nothing = Unmeasured("the queue", "the profile has no section [queue]")
    idle = replace(well(log=history(attempts=())), queue=nothing, completeness=nothing)
    assert decide(idle, PROFILE).decision is Decision.CANNOT_TELL
    left_out = {"processing": "an API has no queue", "completeness": "nor a score"}
    made = decide(idle, PROFILE.model_copy(update={"not_asked": left_out}))
    assert made.decision is Decision.KEEP, made.reason
    said = dict(made.answers)
    assert said["too_slow"].says == "the profile leaves it out: an API has no queue"
    assert said["too_low"].says == "the profile leaves it out: nor a score"
