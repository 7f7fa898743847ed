"""Named ways to break a lab after a rollback. Each says what it does; the tests say what the gate must make of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from lab.reference import COORDINATOR, HERE, ORCHESTRATOR, WORKER, Lab


@dataclass(frozen=True)
class Break:
    check: str
    says: str
    apply: Callable[[Lab], None]


def _new_code_in_place(lab: Lab) -> None:
    lab.put_files("phase1")
    lab.containers(WORKER)[0].restart(timeout=1)
    lab.wait_consuming()


def _one_byte(lab: Lab) -> None:
    path = lab.directory / ORCHESTRATOR
    path.write_text(path.read_text() + "\n")
    for container in lab.containers(WORKER):
        container.restart(timeout=1)
    lab.wait_consuming()


def _files_only(lab: Lab) -> None:
    """Phase 1 runs; the old file is put back; nobody restarts anything: the runbook on the real system."""
    lab.put_files("phase1")
    for container in lab.containers(WORKER):
        container.restart(timeout=1)
    lab.wait_consuming()
    before = HERE / "releases" / "before" / ORCHESTRATOR
    (lab.directory / ORCHESTRATOR).write_bytes(before.read_bytes())
    for removed in ("enrichment_service/errors", "enrichment_service/config/timeouts.py"):
        _remove(lab, removed)


def _remove(lab: Lab, relative: str) -> None:
    path = lab.directory / relative
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _crash_loop(lab: Lab) -> None:
    config = lab.directory / "enrichment_service/config.py"
    config.write_text("raise ImportError('planted by lab.break crash-loop')\n" + config.read_text())
    for container in lab.containers(WORKER):
        container.restart(timeout=1)
    lab.wait(lambda: all(c.attrs["RestartCount"] > 1 for c in lab.containers(WORKER)), "the crash loop")


BREAKS: dict[str, Break] = {
    "new-code": Break("new_behaviour", "one replica runs Phase 1 again (bind)", _new_code_in_place),
    "one-byte": Break("new_behaviour", "the restored file differs by one byte (bind)", _one_byte),
    "not-restarted": Break("new_behaviour", "files are old, the processes are Phase 1 (bind)", _files_only),
    "crash-loop": Break("worker_running", "the worker cannot start (bind)", _crash_loop),
    "paused": Break("worker_running", "one replica is paused", lambda lab: lab.containers(WORKER)[0].pause()),
    "stopped": Break("worker_running", "one replica is stopped", lambda lab: lab.containers(WORKER)[0].stop(timeout=1)),
    "missing": Break("worker_running", "one replica is gone", lambda lab: lab.containers(WORKER)[0].remove(force=True)),
    "coordinator-down": Break("worker_running", "the dependent is stopped",
                              lambda lab: lab.containers(COORDINATOR)[0].stop(timeout=1)),
    "queue-down": Break("processing", "nsqd is stopped", lambda lab: lab.containers("nsqd")[0].stop(timeout=1)),
    "database-down": Break("processing", "mongod is stopped", lambda lab: lab.containers("mongodb")[0].stop(timeout=1)),
    "stuck": Break("processing", "documents are picked up and never finished", lambda lab: lab.mcp("slow")),
    "mcp-refused": Break("completeness", "the MCP server refuses connections", lambda lab: lab.mcp("refused")),
    "mcp-partial": Break("completeness", "documents score 61 %", lambda lab: lab.mcp("partial")),
    "mcp-rich": Break("completeness", "documents score 78 %", lambda lab: lab.mcp("rich")),
    "mcp-blank": Break("completeness", "documents score 17 %", lambda lab: lab.mcp("blank")),
}  # fmt: skip
