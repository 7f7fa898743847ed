"""Healthy: rolled back, whatever it looks like. None of these may get NO-GO."""

from __future__ import annotations

from lab.catalogue import entry as ask
from lab.catalogue import plant
from lab.catalogue.entry import GO, Entry, Judged, Start
from lab.catalogue.gate import log_level
from lab.operator import Operator, settings
from lab.reference import WORKER, Lab

ALL = ("bind", "build", "single", "image")


def rolled_back(*command: str, release: str = "phase1", prepare: object = None) -> ask.Judge:
    """Phase 1 is deployed on this lab, and taken back by the product; then verify."""

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
    lab.load(8)
    for container in lab.containers(WORKER):
        plant.log(lab, f"{plant.PHASE1_LINE}\n".encode(), container, times=100_000)


def noise(lab: Lab) -> None:
    """The real old worker's own lines, of every kind that was captured, in one log."""
    for name in ("before-success.log", "before-mcp-error.log", "before-mcp-refused.log", "before-mcp-timeout.log",
                 "before-real-mcp-server.log"):  # fmt: skip
        plant.log(lab, plant.capture(name))


def rubbish(lab: Lab) -> None:
    """Binary, no line ends, ten megabytes in one line, escapes; and 30 MB of ordinary lines."""
    plant.log(lab, bytes(range(256)) * 40 + b"\n")
    plant.log(lab, b"INFO:x:" + b"y" * (10 << 20) + b"\n")
    plant.log(lab, b"\x1b[2J\x1b]0;title\x07INFO:\x1b[31mx\x1b[0m:<script>alert(1)</script>\n")
    plant.log(lab, f"{plant.OLD_NOISE}\n".encode() * 1000, times=400)


def an_error_each(lab: Lab) -> None:
    """Below the limit; without a single line nobody could tell whether there is a log at all."""
    for container in lab.containers(WORKER):
        plant.log(lab, b"ERROR:x:one\n", container)


def five(lab: Lab) -> None:
    plant.scale(lab, 5)
    lab.wait_consuming()


def similar(lab: Lab) -> None:
    """Names that a careless filter would take for ours."""
    plant.beside(lab, f"{lab.project}-{WORKER}-9", f"{lab.project}-other")
    plant.beside(lab, f"x{lab.project}-{WORKER}-1", f"x{lab.project}")


def with_baseline(operator: Operator, entry: Entry) -> Judged:
    """The MCP server always answered well here: a snapshot before the deployment has kept what normal was."""
    lab = operator.lab
    lab.mcp("rich")
    lab.load(6)
    kept = operator.invoke("snapshot")
    if kept.status:
        return Judged(f"snapshot exited {kept.status}", kept.output, {})
    try:
        return rolled_back("rollback")(operator, entry)
    finally:
        lab.forget_snapshots()


def by_hand(lab: Lab) -> None:
    """What worked by hand (FACTS): files restored, containers made anew."""
    plant.old_files(lab)
    lab.recreate("enrichment-worker", "enrichment-coordinator")
    lab.wait_consuming()


ENTRIES = (
    Entry("quick", "healthy", "rollback", GO, variants=ALL, judge=rolled_back("rollback")),
    Entry("partial", "healthy", "rollback.partial: kept modules are not used", GO, variants=("bind", "build"),
          judge=rolled_back("rollback.partial")),
    Entry("full", "healthy", "rollback.full --docs", GO, variants=("build", "bind", "single"),
          judge=rolled_back("rollback.full", "--docs")),
    Entry("rebuild", "healthy", "rollback.rebuild", GO, variants=("single", "build"), judge=rolled_back("rollback.rebuild")),
    Entry("by-hand", "healthy", "rolled back by hand, as it should be done", GO, apply=by_hand, start=Start.PHASE1),
    Entry("crash-looped-before", "healthy", "it had restarted many times before the rollback", GO,
          judge=rolled_back("rollback", release="phase1-broken")),
    Entry("phase1-before", "healthy", "Phase 1's documents and 20 MB of its lines from before the boundary", GO,
          judge=rolled_back("rollback", prepare=much_before)),
    Entry("own-noise", "healthy", "the old code's own errors and tracebacks", GO, apply=noise),
    Entry("rubbish-in-the-log", "healthy", "binary, colours, a line of 10 MB, 25 MB of lines", GO, apply=rubbish),
    Entry("twenty-five-percent", "healthy", "completeness 25 %", GO, "completeness", "in the band",
          lambda lab: plant.documents(lab, 20, 0.248)),
    Entry("thirty-percent", "healthy", "completeness 30 %", GO, "completeness", "in the band",
          lambda lab: plant.documents(lab, 20, 0.302)),
    Entry("baseline", "healthy", "78 %, and a snapshot says that this was normal", GO, "completeness", "by snapshot",
          judge=with_baseline),
    Entry("time-zone", "healthy", "the gate runs in another time zone", GO, judge=ask.with_environment(TZ="Asia/Kolkata")),
    Entry("five-replicas", "healthy", "five replicas", GO, apply=five, settings=("deployment.replicas=5",)),
    Entry("similar-names", "healthy", "containers of other projects with similar names", GO, apply=similar),
    Entry("log-level-error", "healthy", "the log level hides all but errors; code and documents prove it", GO, "new_behaviour",
          "the log proves nothing here", plant.all_of(lambda lab: log_level(lab, "ERROR"), an_error_each)),
    Entry("index", "healthy", "an index on created_at", GO,
          apply=lambda lab: lab.database.enriched_documents.create_index("created_at")),
)  # fmt: skip
