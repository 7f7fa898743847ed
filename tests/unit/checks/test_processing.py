from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.checks import processing
from rollback_gate.evidence.log_lines import Sighting
from rollback_gate.evidence.readings import (
    Consumer,
    DocumentsReading,
    ProbesReading,
    QueueReading,
    Readings,
    UpstreamState,
)
from rollback_gate.model import Claim, Outcome, Unmeasured
from tests.unit.builders import (
    STARTED,
    document,
    documents,
    known,
    log,
    phase1,
    probe,
    readings,
    replica,
    replica_reading,
    upstream,
)

SILENT = upstream(UpstreamState.SILENT, "no answer at localhost:3003")
DOWN = Unmeasured("the queue", "down")
HIDDEN = log(finished={}, unfinished={}, consuming_at=None, connected_at=None)
PROFILE = phase1()
WITHOUT_HANG = PROFILE.model_copy(update={"known": PROFILE.known.model_copy(update={"hang": None})})
NOTHING: dict[str, Any] = {"finished": {}, "finished_at": {}, "scores": {}, "completions": {}, "documents_finished": 0}


def asked(world: Readings) -> Claim:
    return processing.document_from_every_replica(world, PROFILE)


def idle(number: int = 2, **changes: Any) -> Any:
    """A replica that runs, and has finished nothing since its start."""
    return replica_reading(number, log=log(**{**NOTHING, **changes}))


def lacking(*probes: Any, second: Any = None, **changes: Any) -> Readings:
    """replica-1 has its proof, replica-2 has not."""
    sent = ProbesReading(tuple(probes), 400)
    return readings(**{"replicas": (replica_reading(1), second or idle()), "probes": sent, **changes})


def lost(number: int = 2, **changes: Any) -> Any:
    """A probe that nobody was seen to pick up."""
    return probe(number, **{"replica": None, "document": None, "seconds": None, "completed_at": None, **changes})


# --- proof


def test_a_document_from_every_replica_passes() -> None:
    claim = asked(readings())
    assert claim.passed
    assert "2 test documents" in claim.says


def test_an_organic_document_is_proof_and_no_probe_is_needed() -> None:
    """Seen finished in the replica's own log, and stored."""
    replicas = tuple(replica_reading(n, log=log(f"letter-{n}.jpg")) for n in (1, 2))
    stored = {f"letter-{n}.jpg": document(f"letter-{n}.jpg") for n in (1, 2)}
    claim = asked(readings(replicas=replicas, stored=stored, probes=ProbesReading((), 400)))
    assert claim.passed
    assert "2 sent by its own producers" in claim.says


def test_a_log_line_alone_is_no_proof() -> None:
    """The document is nowhere: the log says that it was finished, and nobody found it stored."""
    assert asked(readings(stored={}, probes=ProbesReading((), 400))).outcome is Outcome.INCONCLUSIVE
    without_score = {probe(n).document_id: document(probe(n).document_id, None) for n in (1, 2)}
    assert asked(readings(stored=without_score, probes=ProbesReading((), 400))).outcome is Outcome.INCONCLUSIVE


def test_a_removed_probe_that_was_found_stored_counts_for_the_same_process() -> None:
    """A verify that is repeated must not need another probe."""
    remembered = {probe(n).document_id: known(number=n) for n in (1, 2)}
    claim = asked(readings(stored={}, remembered=remembered, probes=ProbesReading((), 400)))
    assert claim.passed
    assert "removed since" in " ".join(claim.details)
    unscored = tuple(replica_reading(n, log=log(probe(n).document_id, scores={})) for n in (1, 2))
    assert not asked(readings(stored={}, remembered=remembered, replicas=unscored)).passed, "its log gives the score"


@pytest.mark.parametrize(
    "changes",
    [{"container_id": "9" * 64}, {"started_at": STARTED.plus(-60)}, {"score": 0.5}],
    ids=lambda c: next(iter(c)),
)
def test_a_removed_probe_of_another_process_is_no_proof(changes: dict[str, Any]) -> None:
    """Somebody else finished it then; that this log calls it finished too says nothing about what was stored."""
    remembered = {probe(n).document_id: known(number=n, **changes) for n in (1, 2)}
    claim = asked(readings(stored={}, remembered=remembered, probes=ProbesReading((), 400)))
    assert claim.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("changes", [{"created_at": STARTED.plus(-60)}, {"created_at": None}, {"marked": True}])
def test_what_is_stored_from_before_or_marked_is_no_proof(changes: dict[str, Any]) -> None:
    """The queue delivers a document again that was saved long ago: this process has saved nothing."""
    stored = {probe(n).document_id: document(probe(n).document_id, **changes) for n in (1, 2)}
    claim = asked(readings(stored=stored, probes=ProbesReading((), 400)))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "proves nothing as it is stored" in claim.says


def test_unmeasured_is_inconclusive() -> None:
    assert asked(readings(stored=DOWN)).outcome is Outcome.INCONCLUSIVE
    assert asked(lacking(second=idle(), probes=DOWN)).outcome is Outcome.INCONCLUSIVE
    assert asked(readings(replicas=())).outcome is Outcome.INCONCLUSIVE


# --- a replica without proof


def test_the_queue_gave_the_probe_to_a_replica_that_had_its_proof() -> None:
    claim = asked(lacking(probe(1)))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "none reached replica-2" in claim.says


def test_picked_up_and_never_finished_fails_unless_the_mcp_server_is_silent() -> None:
    """The worker's failure; or, when what it needs does not answer, not its own."""
    name = "rollback-probe-x-2.jpg"
    stuck = lost(replica="replica-2", stuck_in=(("replica-2", 401.0),), log_lines=("line of that document",))
    second = idle(unfinished={name: STARTED.plus(4)}, read_at=STARTED.plus(406))
    claim = asked(lacking(probe(1), stuck, second=second))
    assert claim.outcome is Outcome.FAILED
    assert "line of that document" in claim.details
    blamed = asked(lacking(probe(1), stuck, second=second, upstream=SILENT))
    assert blamed.outcome is Outcome.INCONCLUSIVE
    assert blamed.note.startswith("fix the MCP server first")


def test_lines_that_old_code_never_prints_while_the_server_answers_blame_the_server() -> None:
    """It answers now, and did not then."""
    seen = (Sighting("MCP server refuses connections", "", 3, STARTED, "WARNING: Connection failed"),)
    second = idle(unfinished={"x.jpg": STARTED}, read_at=STARTED.plus(500), upstream=seen)
    assert asked(lacking(second=second)).outcome is Outcome.INCONCLUSIVE


def test_an_organic_document_that_hangs_from_the_start_fails() -> None:
    """The first document of a process: old code finishes that one."""
    second = idle(unfinished={"letter.jpg": STARTED.plus(1)}, read_at=STARTED.plus(402))
    assert asked(lacking(second=second)).outcome is Outcome.FAILED
    not_yet = idle(unfinished={"letter.jpg": STARTED.plus(1)}, read_at=STARTED.plus(300))
    assert asked(lacking(second=not_yet)).outcome is Outcome.INCONCLUSIVE


def test_no_probe_into_a_system_that_cannot_finish_it() -> None:
    sent = ProbesReading((), 400, not_sent="no test document was sent into a system that cannot finish it")
    claim = asked(lacking(probes=sent, upstream=SILENT, ended_early="fix the MCP server first"))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert claim.note == "fix the MCP server first: no answer at localhost:3003"


def test_a_decided_verdict_is_not_waited_for() -> None:
    claim = asked(lacking(ended_early="replica-1 still has modules of the change"))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "not waited for" in claim.says


def test_every_task_rejected_is_inconclusive() -> None:
    replicas = tuple(idle(n, rejected=5, picked_up=0, first_picked_up_at=None) for n in (1, 2))
    claim = asked(readings(replicas=replicas, probes=ProbesReading((lost(1),), 400), stored={}))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "rejected" in claim.says


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (QueueReading(50, 2, (), 10), QueueReading(30, 2, (), 30), Outcome.INCONCLUSIVE),
        (QueueReading(50, 0, (), 10), QueueReading(51, 0, (), 10), Outcome.FAILED),
        (DOWN, DOWN, Outcome.INCONCLUSIVE),
    ],
)
def test_a_probe_that_nobody_picked_up(before: Any, after: Any, outcome: Outcome) -> None:
    """Behind a backlog that moves it says nothing; in a queue that stands still nothing is consumed."""
    nothing = DocumentsReading(STARTED, ())
    world = lacking(lost(), queue_before=before, queue_after=after, documents=nothing)
    assert asked(world).outcome is outcome


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (None, Outcome.INCONCLUSIVE),
        (replica(id="2" * 64, started_at=STARTED.plus(9)), Outcome.INCONCLUSIVE),
        (replica(id="2" * 64, started_at=STARTED.plus(9), restart_count=1), Outcome.FAILED),
        (replica(id="2" * 64), Outcome.FAILED),
    ],
)
def test_a_replica_that_somebody_took_away_has_not_failed(after: Any, outcome: Outcome) -> None:
    """Removed or restarted by hand while the checks ran; one that crashes has failed."""
    queue = QueueReading(0, 2, (), 0)
    nothing = DocumentsReading(STARTED, ())
    rows = (idle(1), replace(idle(2), after=after))
    both = ProbesReading((lost(1), lost(2)), 400)
    world = readings(replicas=rows, probes=both, queue_before=queue, queue_after=queue, documents=nothing, stored={})
    assert asked(world).outcome is outcome


@pytest.mark.parametrize(
    "changes",
    [
        {"documents": documents(0.3)},
        {"queue_before": QueueReading(50, 0, (), 10), "queue_after": QueueReading(45, 0, (), 3)},
        {"strangers": ("x at 1.2.3.4:5",)},
        {"second": idle(unfinished={"letter.jpg": STARTED.plus(80)})},
    ],
)
def test_signs_that_the_queue_moves_or_that_others_take_from_it(changes: dict[str, Any]) -> None:
    """Documents saved meanwhile, a depth that falls, a stranger, a document in work: not our failure."""
    still = QueueReading(50, 0, (), 10)
    base = {"queue_before": still, "queue_after": still, "documents": DocumentsReading(STARTED, ())}
    assert asked(lacking(lost(), **{**base, **changes})).outcome is Outcome.INCONCLUSIVE


def test_finished_as_the_log_says_and_never_saved_fails() -> None:
    never = replace(probe(2), document=None)
    second = replica_reading(2)
    assert asked(lacking(probe(1), never, second=second, stored={probe(1).document_id: document()})).outcome is (
        Outcome.FAILED
    )


def test_too_slow_fails() -> None:
    """Finished, but beyond the runbook's 400 seconds by the engine's clock."""
    slow = replica_reading(2, log=log(probe(2).document_id, finished={probe(2).document_id: 401.0}))
    assert asked(lacking(probe(1), probe(2, seconds=401.0), second=slow)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("log_of_it", "finished", "outcome"),
    [
        (Unmeasured("the log", "driver none"), 2, Outcome.PASSED),
        (HIDDEN, 2, Outcome.PASSED),
        (HIDDEN, 1, Outcome.INCONCLUSIVE),
        (HIDDEN, 0, Outcome.INCONCLUSIVE),
        (HIDDEN, None, Outcome.INCONCLUSIVE),
        (log(**NOTHING), 2, Outcome.INCONCLUSIVE),
    ],
)
def test_where_the_log_cannot_tell_the_queue_can(log_of_it: Any, finished: int | None, outcome: Outcome) -> None:
    """A log that could show documents, and shows none, is believed; the counts must cover all probes."""
    hidden = replica_reading(2, log=log_of_it, finished_in_queue=finished)
    probes = ProbesReading((probe(1), probe(2, replica=None, seconds=None)), 400)
    assert asked(readings(replicas=(replica_reading(1), hidden), probes=probes)).outcome is outcome


# --- documents in work


def hanging(*names: str, finished: bool = True) -> Any:
    open_ = dict.fromkeys(names, STARTED.plus(10))
    return log(probe(2).document_id, unfinished=open_, read_at=STARTED.plus(500), **({} if finished else NOTHING))


def test_nothing_hangs() -> None:
    assert processing.in_work(readings(), PROFILE).passed
    assert processing.in_work(readings(queue_after=DOWN), PROFILE).outcome is Outcome.INCONCLUSIVE
    unread = readings(replicas=(replica_reading(1), replica_reading(2, log=DOWN)))
    assert processing.in_work(unread, PROFILE).outcome is Outcome.INCONCLUSIVE
    fresh = log(probe(2).document_id, unfinished={"x.jpg": STARTED.plus(10)})
    assert processing.in_work(readings(replicas=(replica_reading(1), replica_reading(2, log=fresh))), PROFILE).passed


def test_a_document_that_hangs_behind_a_finished_one_is_what_old_code_is_known_for() -> None:
    """Declared in the profile: reported beside the verdict. Not declared: inconclusive."""
    world = readings(replicas=(replica_reading(1), replica_reading(2, log=hanging("x.jpg"))))
    claim = processing.in_work(world, PROFILE)
    assert claim.passed
    assert claim.note == "each worker finished one document; 1 hang, as before the change"
    assert processing.in_work(world, WITHOUT_HANG).outcome is Outcome.INCONCLUSIVE


def test_a_document_that_hangs_with_none_finished_before_it_is_not() -> None:
    world = readings(replicas=(replica_reading(1), replica_reading(2, log=hanging("x.jpg", finished=False))))
    assert processing.in_work(world, PROFILE).outcome is Outcome.INCONCLUSIVE


# --- metrics, strangers, traces


def test_saved_without_metrics_fails() -> None:
    assert processing.metrics(readings(), phase1()).passed
    bare = ProbesReading((probe(1, document=document("rollback-probe-1", None)),), 400)
    assert processing.metrics(readings(probes=bare), phase1()).outcome is Outcome.FAILED
    assert processing.metrics(readings(probes=bare, upstream=SILENT), phase1()).outcome is Outcome.INCONCLUSIVE
    none_sent = ProbesReading((), 400)
    assert processing.metrics(readings(probes=none_sent), phase1()).passed, "organic documents have theirs"
    assert processing.metrics(readings(probes=none_sent, stored={}), phase1()).outcome is Outcome.INCONCLUSIVE
    assert processing.metrics(readings(probes=DOWN), phase1()).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("rejected", "finished", "outcome"),
    [(10, {}, Outcome.PASSED), (100, {}, Outcome.INCONCLUSIVE), (100, {"a.jpg": 0.3}, Outcome.PASSED)],
)
def test_tasks_that_are_rejected_while_the_gates_own_are_taken(
    rejected: int, finished: dict[str, float], outcome: Outcome
) -> None:
    """As where the producers still speak the change's format: two invalid tasks are everyday, a hundred are not."""
    name = probe(1).document_id
    done = {name: 0.3, **finished}
    one = log(finished=done, finished_at=dict.fromkeys(done, STARTED.plus(5)), scores={name: 0.278}, rejected=rejected)
    two = log(probe(2).document_id, finished={probe(2).document_id: 0.3}, rejected=0)
    claim = asked(readings(replicas=(replica_reading(1, log=one), replica_reading(2, log=two))))
    assert claim.outcome is outcome
    assert ("was rejected as invalid" in f"{claim.note}{claim.says}") is not bool(finished)
    busy = replace(two, unfinished={"b.jpg": STARTED})
    claim = asked(readings(replicas=(replica_reading(1, log=one), replica_reading(2, log=busy))))
    assert "was rejected" not in f"{claim.note}{claim.says}", "one of somebody else's is in work"


def test_another_channel_gets_a_copy_of_each_task() -> None:
    """Whoever consumes it may run the change, and write the same documents."""
    world = readings(queue_after=QueueReading(0, 0, (), 2, other_channels=("audit",)))
    before = readings(queue_before=QueueReading(0, 0, (), 0, other_channels=("audit",)))
    for one in (world, before):
        claim = processing.no_strangers(one, PROFILE)
        assert claim.outcome is Outcome.INCONCLUSIVE
        assert "audit" in claim.says
    known_one = phase1('queue.other_channels=["audit"]')
    assert processing.no_strangers(world, known_one).passed


def test_strangers_on_the_channel() -> None:
    """Inconclusive; NO-GO when a fresh document carries the mark; unknown when the queue is down."""
    assert processing.no_strangers(readings(), PROFILE).passed
    assert processing.no_strangers(readings(strangers=("x at 1.2.3.4:5",)), PROFILE).outcome is Outcome.INCONCLUSIVE
    marked = readings(strangers=("x at 1.2.3.4:5",), documents=documents(0.3, marked=True))
    assert processing.no_strangers(marked, PROFILE).outcome is Outcome.FAILED
    assert processing.no_strangers(readings(strangers=DOWN), PROFILE).outcome is Outcome.INCONCLUSIVE


def test_a_document_that_no_replica_has_finished_is_somebody_elses() -> None:
    """The queue does not list a consumer that is busy: what it has written tells of it."""
    foreign = readings(documents=DocumentsReading(STARTED, (document(probe(1).document_id), document("letter.jpg"))))
    claim = processing.no_strangers(foreign, PROFILE)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "letter.jpg" in claim.says
    assert processing.no_strangers(foreign, phase1("database.has_other_writers=true")).passed
    unread = replace(foreign, replicas=(replica_reading(1), replica_reading(2, log=DOWN)))
    assert processing.no_strangers(unread, PROFILE).passed, "a log that cannot be read says nothing of it"
    later = replace(foreign, replicas=(replica_reading(1), replica_reading(2, boundary=STARTED.plus(1))))
    assert processing.no_strangers(later, PROFILE).passed, "it may have been picked up before the boundary"


@pytest.mark.parametrize("age_s", [-3.0, 3.0], ids=["in the last seconds", "after the logs were read"])
def test_a_document_that_the_logs_cannot_know_yet_is_nobody_elses(age_s: float) -> None:
    """The documents are read after the logs."""
    late = document("letter.jpg", created_at=STARTED.plus(90 + age_s))
    assert processing.no_strangers(readings(documents=DocumentsReading(STARTED, (late,))), PROFILE).passed


def test_a_document_is_saved_before_its_last_line() -> None:
    """What a replica has in work may be stored already."""
    busy = tuple(replica_reading(n, log=log(unfinished={"letter.jpg": STARTED.plus(2)})) for n in (1, 2))
    saved = DocumentsReading(STARTED, (document("letter.jpg"),))
    assert processing.no_strangers(readings(documents=saved, replicas=busy), PROFILE).passed


def test_documents_that_hang_while_the_mcp_server_is_silent_are_its_fault() -> None:
    """Or the log's own error lines may say whose; old code's known hang is neither."""
    hanging = log(unfinished={"letter.jpg": STARTED.plus(-500)}, finished={}, finished_at={})
    replicas = (replica_reading(1), replica_reading(2, log=hanging))
    claim = processing.in_work(readings(replicas=replicas, upstream=SILENT), PROFILE)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "fix the MCP server first" in claim.note
    failing = (replica_reading(1), replica_reading(2, log=replace(hanging, errors=1)))
    assert "beside error lines" in processing.in_work(readings(replicas=failing), PROFILE).says
    assert "without one that was finished before" in processing.in_work(readings(replicas=replicas), PROFILE).says
    known_hang = replica_reading(2, log=log(probe(2).document_id, unfinished=hanging.unfinished))
    assert processing.in_work(readings(replicas=(replica_reading(1), known_hang)), PROFILE).passed


def test_traces_are_named_and_block_nothing() -> None:
    """The gate caused them."""
    assert processing.traces(readings()).note == ""
    left = processing.traces(readings(probes=ProbesReading((probe(1),), 400, leftovers=("x",))))
    assert left.passed
    assert left.note
    waiting = processing.traces(readings(probes=ProbesReading((probe(1),), 400, may_return=("a", "b"))))
    assert waiting.passed
    assert waiting.note == "2 test documents remain in the queue"
    assert processing.traces(readings(probes=DOWN)).outcome is Outcome.INCONCLUSIVE


def test_a_test_document_that_was_removed_before_it_could_count_accuses_nobody() -> None:
    """The queue delivered it again to a new process, and somebody swept; the next one hangs, as old code does."""
    sent = ProbesReading((replace(probe(2), document=None, seconds=None, stuck_in=(("replica-2", 500.0),)),), 400)
    hanging = {probe(2).document_id: STARTED.plus(-500)}
    earlier = log("rollback-probe-earlier-1.jpg", unfinished=hanging)
    world = readings(
        probes=sent,
        stored={probe(1).document_id: document(probe(1).document_id)},
        replicas=(replica_reading(1), replica_reading(2, log=earlier)),
    )
    claim = asked(world)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "rollback-probe-earlier-1.jpg, which it finished before, by its log, is not stored any more" in claim.says
    never = replica_reading(2, log=log(finished={}, finished_at={}, unfinished=hanging))
    assert asked(replace(world, replicas=(replica_reading(1), never))).outcome is Outcome.FAILED


def test_a_queue_that_delivers_nothing_blames_nobody() -> None:
    """An old proof is none for now; and a replica that gets nothing has failed at nothing."""
    paused = replace(readings(), queue_after=QueueReading(500, 0, (), 2, paused=True))
    assert processing.in_work(paused, PROFILE).outcome is Outcome.INCONCLUSIVE
    idle = replica_reading(2, log=log(finished={}, finished_at={}, unfinished={}))
    claim = asked(replace(paused, replicas=(replica_reading(1), idle)))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "unpause" in claim.says


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ((500, 0, 2), (500, 0, 2), Outcome.INCONCLUSIVE),
        ((500, 0, 2), (500, 1, 2), Outcome.PASSED),
        ((500, 0, 2), (500, 0, 3), Outcome.PASSED),
        ((500, 0, 2), (499, 0, 2), Outcome.PASSED),
        ((0, 0, 2), (0, 0, 2), Outcome.PASSED),
    ],
)
def test_a_queue_that_stands_still_is_not_well(
    before: tuple[int, int, int], after: tuple[int, int, int], outcome: Outcome
) -> None:
    """Depth, in flight, finished: tasks wait at both looks, and nobody has any in hand."""
    clients = (Consumer("a", "1:1", 0), Consumer("b", "1:2", 0))
    first, last = (QueueReading(depth, flying, clients, done) for depth, flying, done in (before, after))
    world = replace(readings(), queue_before=first, queue_after=last)
    assert processing.in_work(world, PROFILE).outcome is outcome


def test_what_another_replica_has_finished_still_hangs_in_the_one_that_holds_it() -> None:
    """The queue gave it away meanwhile; this process is stuck all the same, unless it has gone on."""
    finisher = replica_reading(
        1,
        log=log(
            finished={"x.jpg": 1.0, probe(1).document_id: 0.3},
            finished_at=dict.fromkeys(("x.jpg", probe(1).document_id), STARTED.plus(5)),
        ),
    )
    held = log(probe(2).document_id, unfinished={"x.jpg": STARTED.plus(-500)}, finished={}, finished_at={})
    stuck = replace(readings(), replicas=(finisher, replica_reading(2, log=held)))
    assert "in work for longer" in processing.in_work(stuck, PROFILE).says
    went_on = replace(held, finished={"y.jpg": 1.0}, finished_at={"y.jpg": STARTED.plus(9)})
    moved = replace(stuck, replicas=(finisher, replica_reading(2, log=went_on)))
    assert "none hangs" in processing.in_work(moved, PROFILE).says


def test_a_queue_that_cannot_list_its_consumers() -> None:
    """Inconclusive until the profile says why; then documents alone tell of a stranger, and the note says so."""
    no_list = Unmeasured("the queue's consumers", "the command does not print it")
    held = QueueReading(0, no_list, no_list, no_list)
    world: dict[str, Any] = {"queue_before": held, "queue_after": held, "strangers": no_list}
    accepting = phase1('queue.consumers_unlisted="the broker has no such list"')
    assert processing.no_strangers(readings(**world), PROFILE).outcome is Outcome.INCONCLUSIVE
    claim = processing.no_strangers(readings(**world), accepting)
    assert claim.passed
    assert claim.note == "who else reads the queue is not known: the broker has no such list"
    foreign = readings(**world, documents=DocumentsReading(STARTED, (document("of-nobody.jpg"),)))
    assert processing.no_strangers(foreign, accepting).outcome is Outcome.INCONCLUSIVE
    gone = {**world, "queue_after": DOWN, "strangers": DOWN}
    assert processing.no_strangers(readings(**gone), accepting).outcome is Outcome.INCONCLUSIVE, "it did not answer"
    assert not processing.no_strangers(readings(), accepting).note, "this one has listed them"


def test_a_queue_of_which_nothing_shows_that_it_is_the_right_one() -> None:
    """Absent at every look: told beside the verdict, unless a test document came through it."""
    absent = QueueReading(0, 0, (), 2, unproven="Redis has no key q: empty, or of another name")
    none = ProbesReading((), 400)
    world = readings(queue_before=absent, queue_after=absent, probes=none)
    claim = processing.in_work(world, PROFILE)
    assert claim.passed
    assert claim.note == "Redis has no key q: empty, or of another name"
    assert not processing.in_work(readings(queue_before=absent, queue_after=absent), PROFILE).note
    assert not processing.in_work(readings(queue_after=absent, probes=none), PROFILE).note


def test_a_probe_that_was_put_where_nobody_reads_is_no_failure_of_the_worker() -> None:
    """The queue was not there before it was sent: its name may be wrong, and has a task now, which is ours."""
    absent = QueueReading(0, 0, (), 2, unproven="Redis has no key q: empty, or of another name")
    world = lacking(lost(), queue_before=absent, queue_after=QueueReading(2, 0, (), 2))
    claim = asked(replace(world, documents=DocumentsReading(STARTED, ())))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "is queue.key right?" in claim.says
