"""Sabotage: documents go in and do not come out correctly."""

from __future__ import annotations

from lab.catalogue import plant
from lab.catalogue.entry import IMPATIENT, INCONCLUSIVE, NO_GO, PROCESSING, Entry, meanwhile, with_environment
from lab.reference import Lab


def every_document_fails(lab: Lab) -> None:
    plant.change(
        lab, plant.VALIDATOR, "        missing = [", '        raise ValueError("schema is gone")\n        missing = ['
    )
    plant.restart(lab)


def hangs_by_itself(lab: Lab) -> None:
    """The first document already hangs, although the MCP server answers at once."""
    plant.change(
        lab,
        plant.WORKER_FILE,
        "        metrics = self.validator",
        "        import time; time.sleep(600)\n        metrics = self.validator",
    )
    plant.restart(lab)


def every_task_rejected(lab: Lab) -> None:
    plant.change(lab, plant.WORKER_FILE, 'and ocr.get("text")', 'and ocr.get("another_field")')
    plant.restart(lab)


def too_slow(lab: Lab) -> None:
    plant.before(lab, plant.VALIDATOR, "import time")
    plant.change(lab, plant.VALIDATOR, "        missing = [", "        time.sleep(8)\n        missing = [")
    plant.restart(lab)


def without_metrics(lab: Lab) -> None:
    plant.change(lab, plant.WORKER_FILE, '"quality_metrics": metrics,', "")
    plant.restart(lab)


def null_metrics(lab: Lab) -> None:
    plant.change(
        lab, plant.WORKER_FILE, '"quality_metrics": metrics,', '"quality_metrics": {"completeness_score": None},'
    )
    plant.restart(lab)


def database_read_only(lab: Lab) -> None:
    """Every write blocks forever."""
    lab.database.client.admin.command("fsync", lock=True)


def never_saved(lab: Lab) -> None:
    """The task is finished, but no document is saved."""
    plant.change(lab, plant.WORKER_FILE, "        self.save(document_id, job_id, ocr, enriched, metrics)\n", "")
    plant.restart(lab)


def nobody_takes(lab: Lab) -> None:
    """Consumers are connected but never ready for a message."""
    plant.change(lab, plant.CONSUMER, 'b"RDY 1\\n"', 'b"RDY 0\\n"')
    plant.restart(lab)


def stop(service: str, lab: Lab) -> None:
    lab.containers(service)[0].stop(timeout=1)


ENTRIES = (
    Entry(
        "queue-down",
        "processing",
        "nsqd is stopped",
        INCONCLUSIVE,
        PROCESSING,
        "queue",
        lambda lab: stop("nsqd", lab),
        settings=IMPATIENT,
    ),
    Entry(
        "queue-down-nobody-knows-who-consumes",
        "processing",
        "nsqd is stopped: a line from the start is old news",
        INCONCLUSIVE,
        "worker_running",
        "the queue",
        lambda lab: stop("nsqd", lab),
        settings=IMPATIENT,
    ),
    Entry(
        "stuck",
        "processing",
        "the MCP server takes connections and never answers a call",
        INCONCLUSIVE,
        PROCESSING,
        "fix the MCP server first",
        lambda lab: lab.mcp("slow"),
        ("bind", "single"),
        settings=IMPATIENT,
    ),
    Entry(
        "hangs-by-itself",
        "processing",
        "documents are picked up and never finished, MCP well",
        NO_GO,
        PROCESSING,
        "has not finished it within",
        hangs_by_itself,
        ("bind", "single"),
        settings=IMPATIENT,
    ),
    Entry(
        "mcp-overloaded",
        "processing",
        "the MCP server answers every call with 503",
        INCONCLUSIVE,
        PROCESSING,
        "fix the MCP server first",
        lambda lab: lab.mcp("overload"),
    ),
    Entry(
        "every-task-rejected",
        "processing",
        "every task is rejected as invalid",
        INCONCLUSIVE,
        PROCESSING,
        "every task was rejected",
        every_task_rejected,
        settings=IMPATIENT,
    ),
    Entry(
        "wrong-password",
        "processing",
        "the database's password is wrong",
        INCONCLUSIVE,
        PROCESSING,
        "password",
        judge=with_environment(ROLLBACK_GATE_DATABASE_PASSWORD="wrong"),
    ),
    Entry(
        "every-document-fails",
        "processing",
        "every document fails with the same error",
        NO_GO,
        PROCESSING,
        "has not finished it within",
        every_document_fails,
        settings=IMPATIENT,
    ),
    Entry(
        "too-slow",
        "processing",
        "documents take longer than the limit",
        NO_GO,
        PROCESSING,
        "longer than 4 s",
        too_slow,
        settings=IMPATIENT,
    ),
    Entry(
        "without-metrics",
        "processing",
        "documents are saved without quality metrics",
        NO_GO,
        PROCESSING,
        "saved without metrics",
        without_metrics,
    ),
    Entry(
        "null-metrics",
        "processing",
        "documents are saved with null for a score",
        NO_GO,
        PROCESSING,
        "saved without metrics",
        null_metrics,
    ),
    Entry(
        "never-saved",
        "processing",
        "tasks are finished, and no document is saved",
        NO_GO,
        PROCESSING,
        "never saved",
        never_saved,
        settings=IMPATIENT,
    ),
    Entry(
        "nobody-takes",
        "processing",
        "replicas are connected and take no message",
        NO_GO,
        PROCESSING,
        "nothing else is finished either",
        nobody_takes,
        settings=IMPATIENT,
    ),
    Entry(
        "mcp-refused",
        "processing",
        "the MCP server refuses connections",
        INCONCLUSIVE,
        PROCESSING,
        "fix the MCP server first",
        lambda lab: lab.mcp("refused"),
    ),
    Entry(
        "database-down",
        "processing",
        "mongod is stopped",
        INCONCLUSIVE,
        PROCESSING,
        "MongoDB",
        lambda lab: stop("mongodb", lab),
        settings=IMPATIENT,
    ),
    Entry(
        "database-read-only",
        "processing",
        "MongoDB takes no writes",
        INCONCLUSIVE,
        PROCESSING,
        "MongoDB",
        database_read_only,
        settings=IMPATIENT,
    ),
    Entry(
        "database-gone-in-the-middle",
        "processing",
        "mongod stops while probes are under way",
        INCONCLUSIVE,
        PROCESSING,
        "MongoDB",
        settings=IMPATIENT,
        judge=meanwhile("soak: watching", lambda lab: lab.containers("mongodb")[0].kill()),
    ),
)
