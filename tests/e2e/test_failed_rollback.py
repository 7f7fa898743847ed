"""A rollback that fails says in what state the service is, leaves a record and exits 30; verify does not follow."""

from __future__ import annotations

import contextlib
from pathlib import Path

import docker

from tests.e2e.conftest import OTHERS, Operator, identities, running_lab


def break_worker(operator: Operator) -> None:
    """What the old code needs cannot be imported: invisible to preflight, fatal at the start."""
    config = operator.lab.directory / "enrichment_service/config.py"
    config.write_text(config.read_text() + "\nraise ImportError('planted: old code cannot start')\n")


def mend_worker(operator: Operator) -> None:
    config = operator.lab.directory / "enrichment_service/config.py"
    config.write_text(config.read_text().replace("raise ImportError('planted: old code cannot start')", ""))


def test_a_worker_that_does_not_come_up(labs_directory: Path, tmp_path: Path) -> None:
    """Rolling stops at the first replica: the other one goes on consuming; exit 30 and a record.

    With the cause mended, a second rollback does what is still to be done, and verify says GO.
    """
    with running_lab("bind", "phase1", "e2e-failed", tmp_path) as operator:
        others = identities(operator.lab, OTHERS)
        second = identities(operator.lab, ("enrichment-worker",))["e2e-failed-enrichment-worker-2"]
        break_worker(operator)
        ended = operator.invoke("rollback", "--set", "limits.start_s=4", "--reason", "e2e", "verify")
        assert ended.status == 30, ended.output
        assert "planted: old code cannot start" in ended.output
        assert "Verify:" not in ended.output
        record = operator.newest_record()
        assert record["verdict"] == "INCONCLUSIVE"
        assert "step 'wait:e2e-failed-enrichment-worker-1' failed" in record["reason"]
        assert any("worker-2 is running" in line for line in record["state_of_service"])
        page = (record["folder"] / "report.html").read_text()
        assert "ROLLBACK FAILED" in page
        assert "State of the service" in page
        assert identities(operator.lab, ("enrichment-worker",))["e2e-failed-enrichment-worker-2"] == second
        mend_worker(operator)
        again = operator.rollback()
        assert again.status == 0, again.output
        assert "failed before its end" in again.output
        assert operator.verify().status == 0
        assert identities(operator.lab, OTHERS) == others


def test_a_build_that_fails_stops_nothing(labs_directory: Path, tmp_path: Path) -> None:
    """The image is built before anything stops: the old process still runs when the build fails."""
    with running_lab("build", "phase1", "e2e-build-fails", tmp_path) as operator:
        before = identities(operator.lab, ("enrichment-worker", "enrichment-coordinator"))
        dockerfile = operator.lab.directory / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text() + "RUN false\n")
        ended = operator.rollback()
        assert ended.status == 30, ended.output
        assert "step 'build' failed" in ended.output
        assert identities(operator.lab, ("enrichment-worker", "enrichment-coordinator")) == before
    with contextlib.closing(docker.from_env()) as engine:
        label = "rollback-gate.lab.project=e2e-build-fails"
        assert engine.containers.list(all=True, filters={"label": label}) == [], "the lab leaves nothing behind"
        assert engine.images.list(all=True, filters={"label": label}) == []
