"""`invoke bench`: reading a 1 GB log against `docker logs > /dev/null`; completeness of a million documents."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker

from lab.images import ensure_images
from lab.reference import Lab
from rollback_gate.evidence import documents
from rollback_gate.evidence.log_history import HistoryListener
from rollback_gate.evidence.log_lines import LogReader, LogSummary
from rollback_gate.evidence.logs import Follower
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform import engine as engines
from rollback_gate.platform.replica import parse_inspect
from rollback_gate.profile.load import load
from rollback_gate.profile.schema import Profile

ROUNDS = 3
LOG_BYTES = 1 << 30
DOCUMENTS = 1_000_000
IN_SERIES = 100_000
BATCH = 20_000
CAPTURE = Path(__file__).parents[1] / "tests" / "captures" / "logs" / "before-success.log"
_WRITER = """
import sys
text, left = sys.stdin.buffer.read(), int(sys.argv[1])
while left > 0:
    left -= sys.stderr.buffer.write(text)
"""


def assess(profile: Path) -> None:
    """Measure what an assessment reads: a log with its errors and documents, and the curve of completeness."""
    read_logs(profile, "assess", rounds=1)
    lab = Lab.up("bind", "before", "rollback-gate-bench")
    try:
        loaded = load(lab.profile, {}, ()).profile
        store = _connected(loaded)
        since = _filled(lab, IN_SERIES, IN_SERIES)
        seconds = statistics.median([_timed(lambda: store.series(since, 600)) for _ in range(ROUNDS)])
        found = store.series(since, 600)
        store.close()
    finally:
        lab.down()
    count = found if isinstance(found, Unmeasured) else found.documents
    print(f"\nassess: the curve of completeness of {count} documents  {seconds:.2f} s (goal: 2)")


def read_logs(profile: Path, what: str = "verify", rounds: int = ROUNDS) -> None:
    """Measure both sides in turn, and the memory of a reading process. `what`: verify or assess."""
    client = docker.from_env()
    ensure_images(client)
    container_id = _written(client)
    try:
        since = str(Instant.parse(client.containers.get(container_id).attrs["State"]["StartedAt"]))
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(_timed(lambda: _quiet("docker", "logs", "--since", since, container_id)))
            ours.append(
                _timed(lambda: _quiet(sys.executable, "-m", "lab.bench_reading", container_id, str(profile), what))
            )
        grown = _output(sys.executable, "-m", "lab.bench_reading", container_id, str(profile), what)
    finally:
        client.containers.get(container_id).remove(force=True)
        client.close()
    first, second = statistics.median(theirs), statistics.median(ours)
    print(f"\na worker's log of {LOG_BYTES >> 20} MB, of the real worker's lines; medians of {rounds}, for {what}")
    print(f"  docker logs > /dev/null   {first:.1f} s")
    print(f"  read and understood       {second:.1f} s, ratio {second / first:.2f} (goal: 1.3)")
    print(f"  {grown.strip()}")


def _written(client: docker.DockerClient) -> str:
    command = ["docker", "run", "-i", "-d", "--log-driver", "json-file", "rollback-gate-lab-base", "sleep", "600"]
    container_id = _output(*command).strip()
    write = 'cat > /tmp/lines; exec python3 -c "$0" "$1" < /tmp/lines 2>/proc/1/fd/2'
    with CAPTURE.open("rb") as capture:
        subprocess.run(
            ["docker", "exec", "-i", container_id, "sh", "-c", write, _WRITER, str(LOG_BYTES)],
            stdin=capture,
            check=True,
        )
    client.containers.get(container_id)
    return container_id


def completeness() -> None:
    """Measure with the index that the record advises, and without it."""
    lab = Lab.up("bind", "before", "rollback-gate-bench")
    try:
        profile = load(lab.profile, {}, ()).profile
        store = _connected(profile)
        boundary = _filled(lab)
        without = statistics.median([_timed(lambda: _read(store, boundary)) for _ in range(ROUNDS)])
        advice = store.since(boundary)
        lab.database.enriched_documents.create_index("created_at")
        indexed = statistics.median([_timed(lambda: _read(store, boundary)) for _ in range(ROUNDS * 3)])
        store.close()
    finally:
        lab.down()
    print(f"\ncompleteness since the boundary, {DOCUMENTS} documents in the collection, 100 since the boundary")
    print(f"  with an index on created_at  {indexed * 1000:.0f} ms (goal: 50)")
    print(f"  without                      {without * 1000:.0f} ms, ratio {without / indexed:.0f}")
    print(f"  and then the record says     {advice if isinstance(advice, Unmeasured) else advice.advice}")


def _filled(lab: Lab, count: int = DOCUMENTS, newer: int = 100) -> Instant:
    """Store documents 1 s apart; returns the moment after which `newer` of them were created."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = lab.database.client["gvpocr"].get_collection("enriched_documents")
    for first in range(0, count, BATCH):
        rows.insert_many(
            [
                {
                    "_id": f"letter-{n}",
                    "created_at": now - timedelta(seconds=count - n),
                    "quality_metrics": {"completeness_score": 0.2778},
                    "enriched_data": {"metadata": {}},
                    "ocr_data": {"text": "S.N. Goenka " * 20},
                }
                for n in range(first, first + BATCH)
            ],
            ordered=False,
        )
    return Instant.from_datetime((now - timedelta(seconds=newer)).replace(tzinfo=UTC))


def _read(store: documents.Documents, boundary: Instant) -> None:
    store.since(boundary)


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _quiet(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(container_id: str, profile: str, what: str) -> None:
    """Read one container's log in a separate process and print the memory used."""
    loaded = load(Path(profile), {}, ()).profile
    listener = HistoryListener(loaded.triggers) if what == "assess" else None
    engine = engines.connect(os.environ)
    replica = parse_inspect(engine.client.api.inspect_container(container_id))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    summary = Follower(engine, replica, LogReader(loaded.logs, replica.started_at or Instant(0), listener)).read(
        engine.now()
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert isinstance(summary, LogSummary), summary
    goal = 150 if listener else 60
    print(
        f"memory grew by {grown >> 10} MB (goal: {goal}) over {summary.lines} lines, "
        f"{summary.documents_finished} documents"
    )
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])


def _connected(profile: Profile) -> documents.Documents:
    store = documents.connect(profile, {})
    assert not isinstance(store, Unmeasured)
    return store
