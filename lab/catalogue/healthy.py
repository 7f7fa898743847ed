"""Healthy: rolled back, however it looks. None of these may get NO-GO."""

from __future__ import annotations

from dataclasses import replace

from lab.catalogue import entry as ask
from lab.catalogue import plant
from lab.catalogue.entry import GO, Entry, Judged, Start
from lab.catalogue.gate import log_level
from lab.operator import Operator, settings
from lab.reference import COORDINATOR, WORKER, Lab

ALL = ("bind", "build", "single", "image")


def rolled_back(*command: str, release: str = "phase1", prepare: object = None) -> ask.Judge:
    """Deploy Phase 1 on this lab, revert it with the product, then verify."""

    def judge(operator: Operator, entry: Entry) -> Judged:
        operator.lab.deploy(release)
        if callable(prepare):
            prepare(operator.lab)
        ended = operator.invoke(*command, *settings("completeness.minimum_sample=4"))
        if ended.status:
            return Judged(f"{command[0]} exited {ended.status}", ended.output, {})
        return ask.verify(operator, entry)

    return judge


def much_before(lab: Lab) -> None:
    """Phase 1's own lines and documents, from before the boundary."""
    lab.load(2)
    plant.documents(lab, 6, 0.6111, age_s=60, _source="actual")
    for container in lab.containers(WORKER):
        plant.log(lab, f"{plant.PHASE1_LINE}\n".encode(), container, times=100_000)


def noise(lab: Lab) -> None:
    """Every captured kind of the real old worker's own lines, in one log."""
    for name in (
        "before-success.log",
        "before-mcp-error.log",
        "before-mcp-refused.log",
        "before-mcp-timeout.log",
        "before-real-mcp-server.log",
        "before-second-document-1.log",
        "before-second-document-2.log",
    ):
        plant.log(lab, plant.capture(name))
    # One of these logs ends with a document in work: a single test document would go to any free replica.
    plant.documents(lab, 2, 0.2778)


def rubbish(lab: Lab) -> None:
    """Binary data, one line of 10 MB, terminal escapes, and 26 MB of ordinary lines."""
    plant.log(lab, bytes(range(256)) * 40 + b"\n")
    plant.log(lab, b"INFO:x:" + b"y" * (10 << 20) + b"\n")
    plant.log(lab, b"\x1b[2J\x1b]0;title\x07INFO:\x1b[31mx\x1b[0m:<script>alert(1)</script>\n")
    plant.log(lab, f"{plant.OLD_NOISE}\n".encode() * 1000, times=400)


def an_error_each(lab: Lab) -> None:
    """Below the limit; without any line, an empty log and no log would look alike."""
    for container in lab.containers(WORKER):
        plant.log(lab, b"ERROR:x:one\n", container)


def five(lab: Lab) -> None:
    plant.scale(lab, 5)
    lab.wait_consuming()


def similar(lab: Lab) -> None:
    """Containers with names that a careless filter would take for ours."""
    plant.beside(lab, f"{lab.project}-{WORKER}-9", f"{lab.project}-other")
    plant.beside(lab, f"x{lab.project}-{WORKER}-1", f"x{lab.project}")


def with_baseline(operator: Operator, entry: Entry) -> Judged:
    """The MCP server always answered well here: a snapshot from before the deployment holds the baseline."""
    lab = operator.lab
    lab.mcp("rich")
    plant.documents(lab, 6, 0.7778, age_s=60)
    kept = operator.invoke("snapshot")
    if kept.status:
        return Judged(f"snapshot exited {kept.status}", kept.output, {})
    try:
        return rolled_back("rollback")(operator, entry)
    finally:
        lab.forget_snapshots()


def better_before_the_change(operator: Operator, entry: Entry) -> Judged:
    """No snapshot, but documents that old code wrote before the deployment, when the MCP server answered well."""
    operator.lab.mcp("rich")
    plant.documents(operator.lab, 3, 0.7778, age_s=600)
    return rolled_back("rollback")(operator, entry)


def busy(lab: Lab) -> None:
    """Each worker has finished one document and hangs on the next; the queue has dropped both workers."""
    lab.publish(*(f"letter-{n}.jpg" for n in range(8)))
    lab.wait(lambda: lab.database.enriched_documents.count_documents({}) == 2, "the first documents")
    lab.wait(lambda: len(plant.consumers(lab)) == 0, "the queue to drop the workers")


def given_up(lab: Lab) -> None:
    """As `busy`, then the first hanging documents are given up: every line of the real worker's second document."""
    busy(lab)
    plant.wait_until(
        lab,
        "the handlers' limit",
        lambda found: all(b"Error in sync task processing" in c.logs(tail=400) for c in found),
    )


def slow_first(lab: Lab) -> None:
    """Each first document waits out one time limit, which is longer than the queue's message timeout."""
    lab.set("LAB_FIRST_DOCUMENT", "slow")
    lab.recreate(WORKER, COORDINATOR)
    lab.wait_consuming()


def invalid_tasks(lab: Lab) -> None:
    """Two invalid tasks from a script: each is tried five times, with one error line per try."""
    lab.send({"document_id": "x.jpg"}, {"task_id": "t", "ocr_data": {}})
    plant.wait_until(lab, "the rejected tasks", lambda found: sum(c.logs().count(b"Invalid task") for c in found) == 10)


def verified_twice(operator: Operator, entry: Entry) -> Judged:
    """A second verify does not ask again for what the same processes have proved."""
    first = ask.verify(operator, entry)
    if first.verdict != GO:
        return Judged(f"first {first.verdict}", first.output, first.record)
    second = ask.verify(operator, entry)
    return second if "sending as many" not in second.output else replace(second, verdict="sent test documents again")


def ill_as_before(operator: Operator, entry: Entry) -> Judged:
    """The coordinator's health check fails, as it did when the snapshot was taken."""
    plant.health_check(operator.lab, "exit 1")
    kept = operator.invoke("snapshot")
    if kept.status:
        return Judged(f"snapshot exited {kept.status}", kept.output, {})
    try:
        return rolled_back("rollback")(operator, entry)
    finally:
        operator.lab.forget_snapshots()


def by_hand(lab: Lab) -> None:
    """What worked by hand (FACTS): files restored, containers recreated."""
    plant.old_files(lab)
    lab.recreate("enrichment-worker", "enrichment-coordinator")
    lab.wait_consuming()


ENTRIES = (
    Entry("quick", "healthy", "rollback", GO, variants=ALL, judge=rolled_back("rollback")),
    Entry(
        "partial",
        "healthy",
        "rollback.partial: kept modules are not used",
        GO,
        variants=("bind", "build"),
        judge=rolled_back("rollback.partial"),
    ),
    Entry(
        "full",
        "healthy",
        "rollback.full --docs",
        GO,
        variants=("build", "bind", "single"),
        judge=rolled_back("rollback.full", "--docs"),
    ),
    Entry(
        "rebuild",
        "healthy",
        "rollback.rebuild",
        GO,
        variants=("single", "build"),
        judge=rolled_back("rollback.rebuild"),
    ),
    Entry("by-hand", "healthy", "rolled back by hand, as it should be done", GO, apply=by_hand, start=Start.CHANGE),
    Entry(
        "crash-looped-before",
        "healthy",
        "it had restarted many times before the rollback",
        GO,
        judge=rolled_back("rollback", release="phase1-broken"),
    ),
    Entry(
        "phase1-before",
        "healthy",
        "Phase 1's documents and 20 MB of its lines from before the boundary",
        GO,
        judge=rolled_back("rollback", prepare=much_before),
    ),
    Entry("own-noise", "healthy", "the old code's own errors and tracebacks", GO, apply=noise),
    Entry("rubbish-in-the-log", "healthy", "binary, colours, a line of 10 MB, 25 MB of lines", GO, apply=rubbish),
    Entry(
        "twenty-five-percent",
        "healthy",
        "completeness 25 %",
        GO,
        "completeness",
        "in the band",
        lambda lab: plant.documents(lab, 20, 0.248),
    ),
    Entry(
        "thirty-percent",
        "healthy",
        "completeness 30 %",
        GO,
        "completeness",
        "in the band",
        lambda lab: plant.documents(lab, 20, 0.302),
    ),
    Entry(
        "baseline",
        "healthy",
        "78 %, and a snapshot says that this was normal",
        GO,
        "completeness",
        "by snapshot",
        judge=with_baseline,
    ),
    Entry(
        "baseline-by-documents",
        "healthy",
        "78 %, as documents from before the change",
        GO,
        "completeness",
        "unmarked documents from before the change",
        judge=better_before_the_change,
    ),
    Entry(
        "organic-proof",
        "healthy",
        "each worker has finished a document of its own: no test document is sent",
        GO,
        "processing",
        "2 sent by its own producers",
        lambda lab: lab.load(2),
    ),
    Entry(
        "busy",
        "healthy",
        "both workers are busy for minutes, and the queue lists none",
        GO,
        "worker_running",
        "the queue does not list it",
        busy,
    ),
    Entry(
        "given-up",
        "healthy",
        "further documents hang and are given up, with the real worker's lines",
        GO,
        "processing",
        "hang, as before the change",
        given_up,
        settings=("limits.probe_s=8",),
    ),
    Entry(
        "slow-first",
        "healthy",
        "test documents take longer than the queue waits, and come back",
        GO,
        "processing",
        "remain in the queue",
        slow_first,
        settings=("limits.trace_wait_s=1",),
    ),
    Entry(
        "invalid-tasks",
        "healthy",
        "two invalid tasks in the queue: ten error lines",
        GO,
        "worker_running",
        "the fault of an invalid task",
        invalid_tasks,
    ),
    Entry(
        "verified-twice",
        "healthy",
        "verify once more, at once",
        GO,
        "processing",
        "removed since",
        judge=verified_twice,
    ),
    Entry(
        "ill-as-before",
        "healthy",
        "the coordinator's health check fails, as before the change",
        GO,
        judge=ill_as_before,
    ),
    Entry(
        "time-zone", "healthy", "the gate runs in another time zone", GO, judge=ask.with_environment(TZ="Asia/Kolkata")
    ),
    Entry(
        "five-replicas", "healthy", "five replicas", GO, apply=five, settings=("services.enrichment-worker.replicas=5",)
    ),
    Entry("similar-names", "healthy", "containers of other projects with similar names", GO, apply=similar),
    Entry(
        "log-level-error",
        "healthy",
        "the log level hides all but errors; code and documents prove it",
        GO,
        "new_behaviour",
        "the log proves nothing here",
        plant.all_of(lambda lab: log_level(lab, "ERROR"), an_error_each),
    ),
    Entry(
        "index",
        "healthy",
        "an index on created_at",
        GO,
        apply=lambda lab: lab.database.enriched_documents.create_index("created_at"),
    ),
)
