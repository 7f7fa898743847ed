from __future__ import annotations

from rollback_gate.evidence import boundary
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.probe import attribute, task
from rollback_gate.evidence.readings import Started
from rollback_gate.model import Unmeasured
from tests.unit.builders import STARTED, document, log, phase1, replica


def test_a_probe_is_what_the_producers_send() -> None:
    """Required fields of the queue's task are there, blanks are filled at every depth."""
    section = phase1().probe
    assert section
    filled = task(section.task, "rollback-probe-1.jpg", "job-1", "now")
    assert filled["document_id"] == "rollback-probe-1.jpg"
    assert filled["enrichment_job_id"] == "job-1"
    assert filled["task_id"] == "task_job-1_rollback-probe-1.jpg"
    assert filled["ocr_data"]["file"] == "rollback-probe-1.jpg"
    assert filled["ocr_data"]["text"]
    assert not any("{" in value for value in filled.values() if isinstance(value, str))


def test_a_probe_belongs_to_the_replica_whose_log_shows_it() -> None:
    summaries: dict[str, LogSummary | Unmeasured] = {
        "replica-1": Unmeasured("log", "driver none"),
        "replica-2": log(finished={"p": 0.4}, finished_at={"p": STARTED}),
        "replica-3": log(finished={}, unfinished={"q": STARTED}),
    }
    done = attribute("p", STARTED, document("p"), summaries, STARTED.plus(9))
    assert (done.replica, done.seconds, done.finished) == ("replica-2", 0.4, True)
    stuck = attribute("q", STARTED, None, summaries, STARTED.plus(9))
    assert (stuck.replica, stuck.seconds, stuck.finished) == ("replica-3", None, False)
    assert stuck.stuck_in == (("replica-3", 9.0),)
    assert attribute("r", STARTED, None, summaries, STARTED.plus(9)).replica is None


def test_boundary_is_the_runs_then_the_containers_own() -> None:
    """A later automatic restart does not move it; a later `since` given by hand does; never started has none."""
    restarted = replica(started_at=STARTED.plus(100), restart_count=1)
    run = {restarted.id: Started(restarted.id, STARTED, "i", "c")}
    assert boundary.of_replica(restarted, run, None) == STARTED
    assert boundary.of_replica(restarted, {}, None) == STARTED.plus(100)
    assert boundary.of_replica(restarted, run, STARTED.plus(200)) == STARTED.plus(200)
    assert boundary.of_replica(restarted, run, STARTED.plus(-5)) == STARTED.plus(100), (
        "older lines are another process's"
    )
    assert boundary.of_replica(replica(started_at=None), {}, None) is None
    assert boundary.of_documents([STARTED, None, STARTED.plus(1)]) == STARTED.plus(1)
    assert boundary.of_documents([None]) is None


def test_a_redelivered_probe_belongs_to_the_replica_that_completed_it() -> None:
    """The one that hangs on it has not finished it, whatever the database holds."""
    summaries: dict[str, LogSummary | Unmeasured] = {
        "replica-1": log(finished={}, unfinished={"p": STARTED}),
        "replica-2": log(finished={"p": 0.4}, finished_at={"p": STARTED.plus(5)}),
    }
    reading = attribute("p", STARTED, document("p"), summaries, STARTED.plus(6))
    assert (reading.replica, reading.seconds, reading.stuck_in) == ("replica-2", 0.4, (("replica-1", 6.0),))


def test_a_restart_by_hand_ends_the_runs_boundary() -> None:
    """docker restart sets the count to 0 and begins a process of its own: weeks of old lines are not the run's."""
    by_hand = replica(started_at=STARTED.plus(100), restart_count=0)
    run = {by_hand.id: Started(by_hand.id, STARTED, "i", "c")}
    assert boundary.of_replica(by_hand, run, None) == STARTED.plus(100)
    assert boundary.started_by_run(by_hand, run) is None
