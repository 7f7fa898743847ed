"""Ways to change a lab that is up: files, containers, log lines, documents. `Lab.heal` undoes them all."""

from __future__ import annotations

import datetime
import io
import json
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from docker.models.containers import Container

from lab.reference import COORDINATOR, HERE, ORCHESTRATOR, PROJECT_LABEL, WORKER, Lab

CONFIG = "enrichment_service/config.py"
WORKER_FILE = "enrichment_service/workers/enrichment_worker.py"
VALIDATOR = "enrichment_service/schema/validator.py"
CONSUMER = "enrichment_service/queue/consumer.py"
REMOVED = ("enrichment_service/errors", "enrichment_service/config/timeouts.py")
CAPTURES = HERE.parent / "tests" / "captures" / "logs"
PHASE1_LINE = (
    "WARNING:enrichment_service.workers.agent_orchestrator:Agent metadata-agent tool extract_document_type failed with "
    "timeout: Tool invocation timeout after 30s: extract_document_type (attempt 1/4)"
)
OLD_NOISE = "INFO:enrichment_service.mcp_client.client:Connected to MCP server"


def all_of(*acts: Callable[[Lab], object]) -> Callable[[Lab], None]:
    def apply(lab: Lab) -> None:
        for act in acts:
            act(lab)

    return apply


# --- files and processes


def release_file(release: str, relative: str | Path = ORCHESTRATOR) -> bytes:
    return (HERE / "releases" / release / relative).read_bytes()


def tar_of(relative: str | Path, content: bytes) -> bytes:
    """A tar archive of one file, as the engine accepts it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo(str(relative))
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def put(lab: Lab, relative: str | Path, content: bytes) -> None:
    path = lab.directory / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def change(lab: Lab, relative: str, old: str, new: str) -> None:
    """Raises ValueError if the file does not hold `old`: such a break would change nothing."""
    path = lab.directory / relative
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{relative} does not hold {old!r}")
    path.write_text(text.replace(old, new))


def before(lab: Lab, relative: str, code: str) -> None:
    path = lab.directory / relative
    path.write_text(f"{code}\n{path.read_text()}")


def remove(lab: Lab, *relative: str) -> None:
    for name in relative:
        path = lab.directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def old_files(lab: Lab) -> None:
    """Restore and remove files as the runbook does."""
    put(lab, ORCHESTRATOR, release_file("before"))
    remove(lab, *REMOVED)


def restart(lab: Lab, *containers: Container, wait: bool = True) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda container: container.restart(timeout=1), containers or lab.containers(WORKER)))
    if wait:
        lab.wait_consuming()


def wait_until(lab: Lab, condition: str, holds: Any) -> None:
    lab.wait(lambda: holds(lab.containers(WORKER)), condition)


def consumers(lab: Lab) -> list[str]:
    """Host names of the channel's clients."""
    return [str(client["hostname"]) for channel in _channels(lab) for client in channel["clients"]]


def messages(lab: Lab) -> int:
    """Number of messages that are queued, in-flight or deferred."""
    kinds = ("depth", "in_flight_count", "deferred_count")
    return sum(channel[kind] for channel in _channels(lab) for kind in kinds)


def _channels(lab: Lab) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{lab.settings['LAB_QUEUE_PORT']}/stats?format=json"
    with urllib.request.urlopen(url, timeout=5) as answer:
        topics = json.load(answer)["topics"]
    return [channel for topic in topics for channel in topic["channels"]]


# --- logs: written to the process's own standard error, as its own lines are


def log(lab: Lab, text: bytes, container: Container | None = None, times: int = 1) -> None:
    target = container or lab.containers(WORKER)[0]
    script = (
        "import sys\ntext = sys.stdin.buffer.read()\nfor _ in range(int(sys.argv[1])):\n  sys.stderr.buffer.write(text)"
    )
    command = [
        "docker",
        "exec",
        "-i",
        str(target.id),
        "sh",
        "-c",
        'exec python3 -c "$0" "$1" 2>/proc/1/fd/2',
        script,
        str(times),
    ]
    subprocess.run(command, input=text, check=True)


def capture(name: str) -> bytes:
    """A capture as the worker printed it, without the engine's timestamps that some captures have."""
    lines = (CAPTURES / name).read_bytes().splitlines(keepends=True)
    return b"".join(re.sub(rb"^20\d\d-\S+Z ", b"", line) for line in lines)


# --- documents


def documents(lab: Lab, count: int, score: float | None, age_s: float = 0, **fields: Any) -> None:
    """Store documents aged `age_s`; the workers log them in turn if it is 0. `fields`: into enriched_data.metadata."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(seconds=age_s)
    names = [f"planted-{now:%H%M%S%f}-{n}.jpg" for n in range(count)]
    common = {"created_at": now, "updated_at": now, "quality_metrics": {"completeness_score": score}}
    lab.database.enriched_documents.insert_many(
        [{"_id": name, **common, "enriched_data": {"metadata": fields}} for name in names]
    )
    if not age_s:
        workers = lab.containers(WORKER)
        for number, worker in enumerate(workers):
            log(lab, "".join(_lines(name, score) for name in names[number :: len(workers)]).encode(), worker)


def _lines(name: str, score: float | None) -> str:
    percent = "" if score is None else f"INFO:__main__:Document {name} completeness: {score:.1%} (n/18 fields)\n"
    return (
        f"INFO:enrichment_service.workers.agent_orchestrator:Starting enrichment for document {name}\n{percent}"
        f"INFO:__main__:✓ Task task_enrich_lab_{name} completed successfully\n"
    )


# --- containers beside the service's own


def stray(lab: Lab, release: str) -> None:
    """Start a worker of another project on the same queue."""
    folder = lab.directory / "stray"
    for layer in ("common", release):
        shutil.copytree(HERE / "releases" / layer, folder, dirs_exist_ok=True)
    like = lab.containers(WORKER)[0]
    lab.engine.containers.run(
        str(like.attrs["Image"]),
        name=f"{lab.project}-stray",
        detach=True,
        environment=like.attrs["Config"]["Env"],
        command=["python", "-u", "-m", "enrichment_service.workers.enrichment_worker"],
        network=next(iter(like.attrs["NetworkSettings"]["Networks"])),
        volumes={str(folder / "enrichment_service"): {"bind": "/app/enrichment_service"}},
        labels={
            PROJECT_LABEL: lab.project,
            "com.docker.compose.project": "another",
            "com.docker.compose.service": WORKER,
        },
    )
    normal = 1 if lab.variant == "single" else 2
    lab.wait(lambda: len(consumers(lab)) == normal + 1, "the stray worker")
    lab.load(normal + 1)  # one each
    # A stray worker that got two hangs on the second, and the queue does not list it: restart it.
    container = lab.engine.containers.get(f"{lab.project}-stray")
    container.restart(timeout=0)
    lab.wait(lambda: str(container.id)[:12] in consumers(lab), "the stray worker again")


def beside(lab: Lab, name: str, project: str) -> None:
    """Start a container that only looks like ours: by its name, or by a project whose name begins with ours."""
    lab.engine.containers.run(
        "rollback-gate-lab-base",
        name=name,
        detach=True,
        command=["sh", "-c", "echo enrichment_service.errors; sleep 600"],
        labels={
            PROJECT_LABEL: lab.project,
            "com.docker.compose.project": project,
            "com.docker.compose.service": WORKER,
            "com.docker.compose.oneoff": "False",
        },
    )


def health_check(lab: Lab, command: str) -> None:
    """Replace the coordinator's health check and wait until it has failed."""
    compose = lab.directory / "docker-compose.yml"
    settings = yaml.safe_load(compose.read_text())
    settings["services"][COORDINATOR]["healthcheck"]["test"] = ["CMD-SHELL", command]
    compose.write_text(yaml.safe_dump(settings, sort_keys=False))
    lab.recreate(COORDINATOR)
    lab.wait(
        lambda: all(c.attrs["State"]["Health"]["Status"] == "unhealthy" for c in lab.containers(COORDINATOR)),
        "the health check",
    )


def scale(lab: Lab, count: int) -> None:
    lab.compose("up", "-d", "--no-deps", "--no-build", "--no-recreate", "--scale", f"{WORKER}={count}", WORKER)
    lab.wait(lambda: len(lab.containers(WORKER)) == count, f"{count} replicas")
