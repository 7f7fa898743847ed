from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.checks import consuming, new_behaviour, worker_running
from rollback_gate.evidence import boundary
from rollback_gate.evidence.log_lines import Sighting
from rollback_gate.evidence.readings import Started
from rollback_gate.model import Outcome, Unmeasured, worst
from tests.unit.builders import (
    OLD_CODE,
    STARTED,
    coordinator,
    log,
    phase1,
    readings,
    replica,
    replica_reading,
)

ONE = replica(id="1" * 64)
GONE = Unmeasured("the log", "driver none")
SILENT: dict[str, Any] = {
    "connected_at": None,
    "finished": {},
    "unfinished": {},
    "picked_up": 0,
    "documents_finished": 0,
}


@pytest.mark.parametrize(("stopped", "outcome"), [(("1",), Outcome.FAILED), (("7",), Outcome.INCONCLUSIVE)])
def test_a_process_that_a_signal_has_stopped_does_not_run(stopped: tuple[str, ...], outcome: Outcome) -> None:
    """To the engine it does."""
    reading = replica_reading(code=replace(OLD_CODE, stopped=stopped))
    assert worker_running.state(readings(), reading).outcome is outcome


def test_a_health_check_with_a_long_interval_is_waited_for_by_name() -> None:
    """The engine runs the first one after an interval."""
    now = replica(health="starting", check_every_s=300)
    claim = worker_running.state(readings(), replica_reading(before=now, after=now))
    assert (claim.outcome, "gives its first result by" in claim.says) == (Outcome.INCONCLUSIVE, True)


@pytest.mark.parametrize("health", ["healthy", "unhealthy"])
def test_a_health_check_that_is_not_run_any_more_says_nothing(health: str) -> None:
    """An engine that was started again beneath its containers (live-restore) may have forgotten it."""

    def judged(spoke_s: float) -> Outcome:
        now = replica(health=health, check_at=STARTED.plus(90 - spoke_s), check_every_s=30)
        return worker_running.state(readings(), replica_reading(before=now, after=now)).outcome

    assert judged(100) is (Outcome.PASSED if health == "healthy" else Outcome.FAILED)
    assert judged(3600) is Outcome.INCONCLUSIVE
    now = replica(health=health, check_at=STARTED.plus(-3600), check_every_s=30)
    silent = replica_reading(before=now, after=now, log=GONE)
    assert worker_running.state(readings(), silent).outcome is Outcome.INCONCLUSIVE, "another log tells the time"


def test_expected_number() -> None:
    """Two of two pass; one of two fails; three of two is a surprise that GO must not cover."""
    assert worker_running.expected_number(readings()).passed
    gone = (replica_reading(1), replica_reading(2, before=None, after=None))
    missing = readings(replicas=gone, worker_ids={"p-enrichment-worker-1": "1" * 64})
    assert worker_running.expected_number(missing).outcome is Outcome.FAILED
    came = readings(replicas=gone, came={"enrichment-worker": 1})
    assert worker_running.expected_number(came).outcome is Outcome.INCONCLUSIVE, "it came up since"
    extra = readings(replicas=tuple(replica_reading(n) for n in (1, 2, 3)))
    assert worker_running.expected_number(extra).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.PASSED),
        ({"health": ""}, Outcome.PASSED),
        ({"health": "unhealthy"}, Outcome.FAILED),
        ({"health": "starting"}, Outcome.INCONCLUSIVE),
        ({"status": "exited"}, Outcome.FAILED),
        ({"status": "restarting", "restarting": True}, Outcome.FAILED),
        ({"status": "paused", "paused": True}, Outcome.FAILED),
        ({"status": "created"}, Outcome.FAILED),
    ],
)
def test_state(changes: dict[str, Any], outcome: Outcome) -> None:
    """Only a running, not unhealthy container passes."""
    now = replica(**changes)
    reading = replica_reading(before=now, after=now)
    assert worker_running.state(readings(replicas=(reading, replica_reading(2))), reading).outcome is outcome


def test_a_leftover_beside_enough_running_replicas_is_inconclusive() -> None:
    """Someone's old container: not GO, but no sign that the rollback failed either."""
    leftover = replica_reading(3, before=replica(status="exited"))
    world = readings(replicas=(replica_reading(1), replica_reading(2), leftover))
    assert worker_running.state(world, leftover).outcome is Outcome.INCONCLUSIVE


def test_a_replica_that_does_not_exist_fails() -> None:
    gone = replica_reading(before=None, after=None)
    world = readings(replicas=(gone, replica_reading(2)), worker_ids={"replica-2": "2" * 64})
    assert worker_running.state(world, gone).outcome is Outcome.FAILED


def test_a_slot_that_was_empty_at_first_only_is_to_be_asked_again() -> None:
    """As the number of replicas says of it: a Swarm makes a new task where one is missing."""
    empty, other = replica_reading(1, before=None, after=None), replica_reading(2)
    world = readings(replicas=(empty, other), came={"enrichment-worker": 1})
    assert worker_running.expected_number(world).outcome is Outcome.INCONCLUSIVE
    assert worker_running.state(world, empty).outcome is Outcome.INCONCLUSIVE
    for still in (readings(replicas=(empty, other)), readings(replicas=(empty, other), came={"another": 1})):
        assert worker_running.state(still, empty).outcome is Outcome.FAILED, "what came does not run"
        assert worker_running.expected_number(still).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (ONE, Outcome.PASSED),
        (replace(ONE, restart_count=1, started_at=STARTED.plus(20)), Outcome.FAILED),
        (replace(ONE, status="exited"), Outcome.FAILED),
        (replace(ONE, started_at=STARTED.plus(20)), Outcome.INCONCLUSIVE),
        (None, Outcome.INCONCLUSIVE),
        (Unmeasured("after", "engine lost"), Outcome.INCONCLUSIVE),
    ],
)
def test_stays_up(after: Any, outcome: Outcome) -> None:
    """A rising restart count is the worker's failure; being replaced by someone is not."""
    assert worker_running.stays_up(readings(), replica_reading(before=ONE, after=after)).outcome is outcome


def test_a_crash_loop_fails_whichever_moments_of_it_are_seen() -> None:
    """The engine waits longer and longer between two starts: at the end the next process can be a second old."""
    waiting = replace(ONE, status="restarting", restarting=True, restart_count=7)
    next_one = replace(waiting, status="running", restarting=False, started_at=STARTED.plus(20))
    loop = (replica_reading(1, before=waiting, after=next_one), replica_reading(2))
    world = readings(replicas=loop)
    assert worker_running.expected_number(world).outcome is Outcome.FAILED
    assert worker_running.state(world, loop[0]).outcome is Outcome.FAILED
    by_hand = replica_reading(before=waiting, after=replace(next_one, restart_count=0))
    assert worker_running.state(readings(replicas=(by_hand, loop[1])), by_hand).outcome is Outcome.INCONCLUSIVE


def test_what_the_swarm_was_told_to_stop_meanwhile_is_to_be_asked_again() -> None:
    """An update, a drain, or one replica less: its container has ended, and by no fault of its own."""
    before = replace(ONE, node="two")
    ended = replace(before, status="exited", exit_code=137)
    ended = replace(ended, health="unhealthy")  # as the engine says of each one that has ended
    told = replica_reading(before=before, after=replace(ended, unwanted="has ended"))
    assert worker_running.state(readings(), told).passed
    assert worker_running.stays_up(readings(), told).outcome is Outcome.INCONCLUSIVE
    assert worker_running.stays_up(readings(), replica_reading(before=before, after=ended)).outcome is Outcome.FAILED


def test_automatic_restart_since_the_run_fails() -> None:
    """The run started it once; since then it has restarted by itself."""
    restarted = replace(ONE, restart_count=2, started_at=STARTED.plus(100))
    by_run = Started(ONE.id, STARTED, ONE.image_id, ONE.config_hash)
    claim = worker_running.stays_up(readings(), replica_reading(before=restarted, after=restarted, by_run=by_run))
    assert claim.outcome is Outcome.FAILED


@pytest.mark.parametrize(("seconds", "outcome"), [(50, Outcome.FAILED), (-50, Outcome.PASSED)])
def test_a_former_failure_in_a_slot_of_a_swarm_is_held_against_it_if_it_is_of_after_the_run(
    seconds: float, outcome: Outcome
) -> None:
    """The manager keeps what has failed before, also of the time before the change."""
    now = replace(ONE, id="f" * 64, node="two", failed_at=(STARTED.plus(seconds),), started_at=STARTED.plus(100))
    started = {ONE.id: Started(ONE.id, STARTED, ONE.image_id, ONE.config_hash)}
    ordered = boundary.ordered_at(now, started)
    assert ordered == STARTED
    found = replica_reading(before=now, after=now, by_run=None, ordered_at=ordered)
    assert worker_running.stays_up(readings(), found).outcome is outcome
    assert boundary.ordered_at(replace(now, config_hash="another"), started) is None
    assert boundary.ordered_at(replace(now, node=""), started) is None


def test_restarts_that_nobody_journaled_may_be_of_now() -> None:
    """A process that dies every few minutes is quiet while it is watched. A start by hand counts from zero again."""
    veteran = replace(ONE, restart_count=40)
    claim = worker_running.stays_up(readings(), replica_reading(before=veteran, after=veteran, by_run=None))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "Restart it once by hand" in claim.says


def test_clean_start() -> None:
    """Errors before "consuming" fail; a replica that is no consumer of the queue fails."""
    assert consuming.clean_start(replica_reading(), phase1()).passed
    broken = replica_reading(log=log(startup_errors=("ModuleNotFoundError: x",)))
    assert consuming.clean_start(broken, phase1()).outcome is Outcome.FAILED
    never = log(connected_at=None, finished={}, unfinished={}, picked_up=0)
    deaf = replica_reading(in_queue=False, in_queue_before=False, log=never)
    assert consuming.clean_start(deaf, phase1()).outcome is Outcome.FAILED


def test_a_busy_replica_that_the_queue_does_not_list_is_alive() -> None:
    """nsqd drops a consumer that is busy for longer than two heartbeats (FACTS); its own log says what it does."""
    busy = replica_reading(in_queue=False, log=log(unfinished={"letter.jpg": STARTED.plus(20)}))
    assert consuming.clean_start(busy, phase1()).passed
    first = log(finished={}, unfinished={"letter.jpg": STARTED.plus(20)})
    assert consuming.clean_start(replica_reading(in_queue=False, log=first), phase1()).passed
    idle = replica_reading(in_queue=False)
    assert consuming.clean_start(idle, phase1()).outcome is Outcome.INCONCLUSIVE, "it has worked, and is not busy now"
    was_there = replica_reading(in_queue=False, log=log(connected_at=None, finished={}))
    assert consuming.clean_start(was_there, phase1()).outcome is Outcome.INCONCLUSIVE, "it was listed at the beginning"
    mute = log(connected_at=None, consuming_at=None, finished={}, unfinished={})
    unknown = replica_reading(in_queue=False, in_queue_before=False, log=mute)
    assert consuming.clean_start(unknown, phase1()).outcome is Outcome.INCONCLUSIVE, "its log could not have shown it"


def test_errors_long_after_the_start_are_no_startup_errors() -> None:
    """The boundary lies after the start, so "consuming" is not in the window; the queue knows the replica."""
    later = replica_reading(log=log(consuming_at=None, errors=1, startup_errors=("ERROR:o:one",)))
    assert consuming.clean_start(later, phase1()).passed
    assert consuming.few_errors(later, phase1()).passed


def test_busy_with_something_from_long_ago_is_not_alive() -> None:
    """Its last line is older than any document takes: what it holds, it has lost."""
    stale = log(unfinished={"letter.jpg": STARTED.plus(20)}, read_at=STARTED.plus(3600))
    claim = consuming.clean_start(replica_reading(in_queue=False, log=stale), phase1())
    assert claim.outcome is Outcome.INCONCLUSIVE


def test_what_was_watched_shorter_than_the_soak_did_not_stay_up() -> None:
    """Ended early, by another check: this one has not seen enough."""
    world = readings(ended_early="the MCP server is silent")
    assert worker_running.stays_up(world, replica_reading()).outcome is Outcome.INCONCLUSIVE


def test_a_log_in_which_nothing_can_be_read_is_no_evidence() -> None:
    """No lines, or lines that could not be read: neither a clean start nor few errors."""
    empty = replica_reading(log=log(lines=0, consuming_at=None))
    assert consuming.clean_start(empty, phase1()).outcome is Outcome.INCONCLUSIVE
    assert consuming.few_errors(empty, phase1()).outcome is Outcome.INCONCLUSIVE
    garbled = replica_reading(log=log(unreadable_lines=1))
    assert consuming.few_errors(garbled, phase1()).outcome is Outcome.INCONCLUSIVE


def test_errors_without_a_level_cannot_be_counted() -> None:
    claim = consuming.few_errors(replica_reading(log=log(without_level=40)), phase1())
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "cannot be counted" in claim.says


@pytest.mark.parametrize(
    ("cut", "is_limited", "is_whole"),
    [
        ({"begins_at": STARTED.plus(-1)}, True, True),
        ({"begins_at": STARTED.plus(1), "consuming_at": STARTED.plus(2)}, True, True),
        ({"begins_at": STARTED.plus(1), "consuming_at": None}, False, False),
        ({"begins_at": STARTED.plus(600), "consuming_at": None, **SILENT}, True, False),
        ({"begins_at": STARTED.plus(600), "consuming_at": None, **SILENT}, False, True),
        ({"begins_at": STARTED.plus(1), "consuming_at": None, **SILENT}, True, True),
        ({"shrank": True}, False, False),
        ({"begins_at": STARTED.plus(-1), "consuming_at": None}, False, False),
    ],
    ids=["older", "its start", "work without a start", "limited", "a late line", "an early one", "shrank", "a gap"],
)
def test_a_log_is_evidence_from_its_first_line_on(cut: dict[str, Any], is_limited: bool, is_whole: bool) -> None:
    """What the engine has thrown away, or somebody has emptied, held errors and new lines, or did not."""
    reading = replica_reading(before=replica(id="1" * 64, log_is_limited=is_limited), log=log(**cut))
    assert consuming.few_errors(reading, phase1()).passed is is_whole
    has_start = is_whole or "shrank" in cut
    assert consuming.clean_start(reading, phase1()).passed is has_start
    shown = new_behaviour.log_lines(readings(), reading, phase1())
    assert ("nothing new over" in shown.says) is (is_whole and not set(SILENT) & set(cut))


@pytest.mark.parametrize(("size", "is_whole"), [(1000, True), (100_000, False)])
def test_a_log_that_drops_lines_is_whole_while_they_fit(size: int, is_whole: bool) -> None:
    """`mode: non-blocking`: what the buffer does not hold is gone, and nobody says so."""
    now = replica(id="1" * 64, log_buffer_bytes=65_536)
    claim = consuming.few_errors(replica_reading(before=now, log=log(size_bytes=size)), phase1())
    assert (claim.passed, "may lack lines" in claim.note) == (True, not is_whole)


def test_clean_start_without_queue_or_log() -> None:
    """Without the queue nobody knows who consumes now: a line from the start is old news. Without the log, the queue."""
    queue_gone = Unmeasured("the queue", "down")
    assert consuming.clean_start(replica_reading(in_queue=queue_gone), phase1()).outcome is Outcome.INCONCLUSIVE
    silent = replica_reading(in_queue=queue_gone, log=log(consuming_at=None))
    assert consuming.clean_start(silent, phase1()).outcome is Outcome.INCONCLUSIVE
    assert consuming.clean_start(replica_reading(log=GONE), phase1()).passed
    assert (
        consuming.clean_start(replica_reading(log=GONE, in_queue=queue_gone), phase1()).outcome is Outcome.INCONCLUSIVE
    )


def test_errors_are_limited_and_noise_is_not_counted() -> None:
    """The limit itself is still allowed; noise is shown."""
    noise = (Sighting("old code giving up on a tool", "", 8, STARTED, "x"),)
    limit = phase1().limits.errors
    within = consuming.few_errors(replica_reading(log=log(errors=limit, noise=noise)), phase1())
    assert within.passed
    assert "8 × old code giving up on a tool, as old code prints them" in within.details[-1]
    above = consuming.few_errors(replica_reading(log=log(errors=limit + 1)), phase1())
    assert above.outcome is Outcome.FAILED
    assert consuming.few_errors(replica_reading(log=GONE), phase1()).outcome is Outcome.INCONCLUSIVE


def test_noise_beyond_the_captured_rate_counts() -> None:
    """Of one document old code prints so many; behind a document that hangs, once more for each that is given up."""
    form = "document given up after the handler's 300 s"

    def asked(count: int, **changes: Any) -> Any:
        noise = (Sighting(form, "", count, STARTED, "x"),)
        return consuming.few_errors(replica_reading(log=log(noise=noise, **changes)), phase1("limits.errors=0"))

    assert asked(1).passed
    assert asked(2).outcome is Outcome.FAILED
    hanging = {"unfinished": {"x.jpg": STARTED}, "picked_up": 2, "first_picked_up_at": STARTED}
    assert asked(5, **hanging, last_at=STARTED.plus(901)).passed
    assert asked(6, **hanging, last_at=STARTED.plus(901)).outcome is Outcome.FAILED
    assert asked(1, picked_up=0, first_picked_up_at=None).outcome is Outcome.FAILED, "no document was in hand"


def test_lines_about_invalid_tasks_are_the_inputs_fault() -> None:
    noise = (Sighting("invalid task", "", 500, STARTED, "x"),)
    claim = consuming.few_errors(replica_reading(log=log(noise=noise)), phase1())
    assert claim.passed
    assert "500 × invalid task, the fault of an invalid task" in claim.details[-1]


@pytest.mark.parametrize(
    ("changes", "ill_before", "outcome"),
    [
        ({"health": "unhealthy", "check_cannot_run": "executable file not found"}, {}, Outcome.PASSED),
        ({"health": "starting", "check_cannot_run": "executable file not found"}, {}, Outcome.PASSED),
        ({"health": "unhealthy"}, {"enrichment-worker": "the change"}, Outcome.PASSED),
        ({"health": "unhealthy"}, {"enrichment-worker": "the rollback"}, Outcome.INCONCLUSIVE),
        ({"health": "unhealthy"}, {"another": "the change"}, Outcome.FAILED),
    ],
)
def test_what_a_health_check_is_worth(changes: dict[str, Any], ill_before: dict[str, str], outcome: Outcome) -> None:
    """A check whose program is missing says nothing; only dated evidence from before the change excuses."""
    now = replica(**changes)
    reading = replica_reading(before=now, after=now)
    assert worker_running.state(readings(replicas=(reading,), ill_before=ill_before), reading).outcome is outcome


def test_a_replica_that_comes_up_while_the_checks_run_gets_its_second_look() -> None:
    down, up = replica(status="exited"), replica()
    reading = replica_reading(before=down, after=up)
    assert worker_running.state(readings(replicas=(reading,)), reading).outcome is Outcome.INCONCLUSIVE


def test_image_and_configuration() -> None:
    """The run's image and configuration, and what the tag names now."""
    assert worker_running.image_and_configuration(replica_reading()).passed
    assert worker_running.image_and_configuration(replica_reading(by_run=None)).passed
    retagged = replica_reading(image_of_tag="sha256:other")
    moved = worker_running.image_and_configuration(retagged)
    assert moved.outcome is Outcome.INCONCLUSIVE, "what runs is right, the next recreate would not be"
    untagged = replica_reading(by_run=None, image_of_tag=None)
    assert worker_running.image_and_configuration(untagged).outcome is Outcome.INCONCLUSIVE
    for wrong in (
        replica_reading(by_run=Started(ONE.id, STARTED, "sha256:other", "abc")),
        replica_reading(by_run=Started(ONE.id, STARTED, ONE.image_id, "other")),
    ):
        assert worker_running.image_and_configuration(wrong).outcome is Outcome.FAILED
    older = replica_reading(by_run=None, image_of_tag="sha256:other")
    assert worker_running.image_and_configuration(older).outcome is Outcome.INCONCLUSIVE
    blind = replica_reading(image_of_tag=Unmeasured("image", "planted"))
    assert worker_running.image_and_configuration(blind).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.PASSED),
        ({"before": None, "after": None}, Outcome.FAILED),
        ({"after": replace(ONE, status="exited")}, Outcome.FAILED),
        ({"after": replace(ONE, restart_count=1)}, Outcome.FAILED),
        ({"after": replace(ONE, health="unhealthy")}, Outcome.FAILED),
        ({"after": replace(ONE, started_at=STARTED.plus(9))}, Outcome.INCONCLUSIVE),
        ({"after": None}, Outcome.INCONCLUSIVE),
        ({"after": Unmeasured("d", "x")}, Outcome.INCONCLUSIVE),
        ({"image_of_tag": "sha256:other"}, Outcome.INCONCLUSIVE),
        ({"image_of_tag": Unmeasured("image", "planted")}, Outcome.INCONCLUSIVE),
    ],
)
def test_every_service_is_judged_alike(changes: dict[str, Any], outcome: Outcome) -> None:
    """Whether it reads the queue or not, it has to run, to stay up, and to run the image that its name means."""
    one = coordinator(**changes)
    world = readings(others=(one,))
    if one.before is None:
        world = replace(world, ids_after={**world.ids_after, one.service: {}})
    claims = (
        worker_running.expected_number(world),
        worker_running.state(world, one),
        worker_running.stays_up(world, one),
        worker_running.image_and_configuration(one),
    )
    assert worst(claim.outcome for claim in claims) is outcome


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"p-enrichment-worker-1": "1" * 64, "p-enrichment-worker-2": "2" * 64, "w-3": "3" * 64}, "new: w-3"),
        ({"p-enrichment-worker-1": "1" * 64}, "gone: p-enrichment-worker-2"),
        ({"p-enrichment-worker-1": "1" * 64, "p-enrichment-worker-2": "9" * 64}, "new: p-enrichment-worker-2; gone"),
        (Unmeasured("containers", "no answer"), "no answer"),
    ],
)
def test_replicas_that_come_or_go_are_inconclusive(after: Any, says: str) -> None:
    """What was judged is not what is there now."""
    claim = worker_running.same_replicas(readings(worker_ids=after))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert says in claim.says


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.PASSED),
        ({"configured": {"enrichment-worker": "other", "enrichment-coordinator": "abc"}}, Outcome.INCONCLUSIVE),
        ({"configured": {}}, Outcome.INCONCLUSIVE),
        (
            {"configured": {"enrichment-worker": Unmeasured("x", "no Compose"), "enrichment-coordinator": "abc"}},
            Outcome.INCONCLUSIVE,
        ),
        (
            {"replicas": (replica_reading(1), replica_reading(2, before=replace(ONE, config_hash="b")))},
            Outcome.INCONCLUSIVE,
        ),
    ],
)
def test_a_new_container_would_be_configured_alike(changes: dict[str, Any], outcome: Outcome) -> None:
    assert worker_running.configurations(readings(**changes)).outcome is outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Outcome.PASSED),
        ({"log": log(connected_at=None)}, Outcome.INCONCLUSIVE),
        ({"log": log(finished={})}, Outcome.INCONCLUSIVE),
        ({"log": log(startup_errors=("ImportError: x",))}, Outcome.FAILED),
        ({"log": GONE}, Outcome.INCONCLUSIVE),
    ],
)
def test_one_that_the_queue_cannot_tell_apart_is_judged_by_its_log(changes: dict[str, Any], outcome: Outcome) -> None:
    one = replica_reading(**{"in_queue": None, "in_queue_before": None, **changes})
    assert consuming.clean_start(one, phase1()).outcome is outcome


def test_a_health_check_that_never_runs_is_told_as_that() -> None:
    """Podman's do not by themselves."""
    waiting = replace(ONE, health="starting", check_results=0)
    claim = worker_running.state(readings(), replica_reading(before=waiting, after=waiting))
    assert "has never run" in claim.says
    spoken = replace(waiting, check_results=2)
    assert "has not spoken yet" in worker_running.state(readings(), replica_reading(before=spoken, after=spoken)).says


def test_a_worker_that_never_says_that_it_is_connected() -> None:
    """The profile has no such line: finished documents prove it, and its absence proves nothing."""
    profile = phase1()
    silent = profile.model_copy(update={"logs": profile.logs.model_copy(update={"connected": None})})
    by_log = replica_reading(in_queue=None, in_queue_before=None, log=log(connected_at=None))
    assert consuming.clean_start(by_log, silent).passed
    assert consuming.clean_start(by_log, profile).outcome is Outcome.INCONCLUSIVE
    never = log(connected_at=None, finished={}, unfinished={}, picked_up=0)
    deaf = replica_reading(in_queue=False, in_queue_before=False, log=never)
    assert consuming.clean_start(deaf, silent).outcome is Outcome.INCONCLUSIVE
