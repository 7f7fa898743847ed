"""A healthy world as readings, of which a test changes one thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rollback_gate.change.reading import CodeReading, FileReading
from rollback_gate.evidence.log_lines import LogSummary, Sighting
from rollback_gate.evidence.readings import (
    DocumentReading,
    DocumentsReading,
    Known,
    ProbeReading,
    ProbesReading,
    QueueReading,
    Readings,
    ReplicaReading,
    Started,
    UpstreamReading,
    UpstreamState,
)
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.load import load
from rollback_gate.profile.schema import Profile

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "tests" / "captures"
ORCHESTRATOR = "enrichment_service/workers/agent_orchestrator.py"
DIGEST = "d" * 64
RESTORED = Instant.parse("2026-11-23T12:00:00.5Z")
STARTED = RESTORED.plus(1.25)


def phase1(*settings: str) -> Profile:
    return load(ROOT / "profiles" / "phase1.toml", {}, settings).profile


def replica(**changes: Any) -> Replica:
    healthy = Replica(
        id="c" * 64,
        name="p-enrichment-worker-1",
        service="enrichment-worker",
        status="running",
        restarting=False,
        paused=False,
        oom_killed=False,
        exit_code=0,
        restart_count=0,
        created_at=RESTORED.plus(-3600),
        started_at=STARTED,
        finished_at=None,
        health="healthy",
        image_id="sha256:" + "1" * 64,
        image_name="p-enrichment-worker",
        config_hash="abc",
        config_files="",
        compose_version="5.6.1",
        hostname="c" * 12,
        addresses=("172.18.0.5",),
        mounts=(),
        log_driver="json-file",
        stop_timeout_s=1,
    )
    return replace(healthy, **changes)


def file_reading(**changes: Any) -> FileReading:
    old = FileReading(ORCHESTRATOR, True, False, DIGEST, RESTORED, RESTORED, (), phase1().file(ORCHESTRATOR).old)
    return replace(old, **changes)


def log(name: str = "rollback-probe-x-1.jpg", **changes: Any) -> LogSummary:
    """Of a replica that has finished one document, of this name."""
    quiet = LogSummary(
        since=STARTED,
        lines=40,
        size_bytes=4000,
        consuming_at=STARTED.plus(0.4),
        connected_at=STARTED.plus(0.5),
        new=(),
        noise=(),
        errors=0,
        error_samples=(),
        startup_errors=(),
        finished={name: 0.3, **{f"{n}.jpg": 0.3 for n in range(30)}},
        finished_at={name: STARTED.plus(5), **{f"{n}.jpg": STARTED.plus(5) for n in range(30)}},
        unfinished={},
        documents_finished=1,
        scores={name: 0.278},
        completions={name: 1},
        picked_up=1,
        first_picked_up_at=STARTED.plus(4.7),
        last_at=STARTED.plus(5),
        read_at=STARTED.plus(90),
    )
    return replace(quiet, **changes)


def new_line(kind: str = "error classification") -> Sighting:
    return Sighting(
        "failure with its type", kind, 3, STARTED.plus(2), "WARNING:x:Agent a tool t failed with timeout: ..."
    )


OLD_CODE = CodeReading((file_reading(),), ())


def replica_reading(number: int = 1, **changes: Any) -> ReplicaReading:
    one = replica(id=f"{number}" * 64, name=f"p-enrichment-worker-{number}")
    healthy = ReplicaReading(
        slot=f"replica-{number}",
        service="enrichment-worker",
        consumes=True,
        before=one,
        after=one,
        boundary=STARTED,
        by_run=Started(one.id, STARTED, one.image_id, one.config_hash),
        image_of_tag=one.image_id,
        code=OLD_CODE,
        log=log(f"rollback-probe-x-{number}.jpg"),
        in_queue=True,
        in_queue_before=True,
        restarted=OLD_CODE,
        recreated=OLD_CODE,
    )
    return replace(healthy, **changes)


def coordinator(**changes: Any) -> ReplicaReading:
    """The other service that carries the change: it runs the same code, and reads no queue."""
    one = replica(id="e" * 64, name="coordinator", service="enrichment-coordinator")
    alike = replace(
        replica_reading(),
        slot="enrichment-coordinator-1",
        service="enrichment-coordinator",
        consumes=False,
        before=one,
        after=one,
        by_run=Started(one.id, STARTED, one.image_id, one.config_hash),
        log=log(documents_finished=0, finished={}, finished_at={}, scores={}, completions={}, picked_up=0),
        in_queue=None,
        in_queue_before=None,
    )
    return replace(alike, **changes)


def document(name: str = "a.jpg", score: float | None = 0.2778, **changes: Any) -> DocumentReading:
    return replace(DocumentReading(name, STARTED.plus(5), score, False, name.startswith("rollback-probe-")), **changes)


def documents(*scores: float | None, marked: bool = False) -> DocumentsReading:
    """`log` shows them finished too."""
    rows = tuple(document(f"{n}.jpg", score, marked=marked) for n, score in enumerate(scores))
    return DocumentsReading(STARTED, rows)


def probe(number: int = 1, **changes: Any) -> ProbeReading:
    name = f"rollback-probe-x-{number}.jpg"
    done = ProbeReading(name, STARTED.plus(4), f"replica-{number}", 0.3, STARTED.plus(5), document(name))
    return replace(done, **changes)


def known(score: float = 0.278, number: int = 1, **changes: Any) -> Known:
    """How a probe was found stored that the process of `replica_reading(number)` had finished."""
    return replace(Known(score, f"{number}" * 64, STARTED), **changes)


def readings(
    replicas: tuple[ReplicaReading, ...] | None = None,
    others: tuple[ReplicaReading, ...] | None = None,
    worker_ids: Any = None,
    **changes: Any,
) -> Readings:
    """Two healthy replicas that run old code and a coordinator, probes done, ten documents at 27.8 % that the log shows.

    `replicas`: others in place of those that read the queue. `others`: in place of the coordinator.
    """
    ids = {f"p-enrichment-worker-{n}": f"{n}" * 64 for n in (1, 2)} if worker_ids is None else worker_ids
    healthy = Readings(
        expected={"enrichment-worker": 2, "enrichment-coordinator": 1},
        source_digests={ORCHESTRATOR: DIGEST},
        run_id="20261123T120000Z-abcd",
        replicas=(
            *((replica_reading(1), replica_reading(2)) if replicas is None else replicas),
            *((coordinator(),) if others is None else others),
        ),
        upstream=upstream(UpstreamState.ANSWERS, "localhost:3003 answers a call of tools/invoke in 0.01 s"),
        queue_before=QueueReading(0, 0, (), 0),
        queue_after=QueueReading(0, 0, (), 2),
        strangers=(),
        probes=ProbesReading((probe(1), probe(2)), 400),
        documents=documents(*[0.2778] * 10),
        soak_s=60,
        ids_after={"enrichment-worker": ids, "enrichment-coordinator": {"coordinator": "e" * 64}},
        configured={"enrichment-worker": "abc", "enrichment-coordinator": "abc"},
        stored={probe(n).document_id: document(probe(n).document_id) for n in (1, 2)},
    )
    return replace(healthy, **changes)


def upstream(state: UpstreamState, says: str) -> UpstreamReading:
    """A reading of Phase 1's upstream."""
    return UpstreamReading(state, says, "the MCP server")
