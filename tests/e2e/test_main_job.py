"""`invoke rollback verify` on a live deployment, for each variant and both Compose generations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import COMPOSE_V1, OTHERS, Operator, finding, identities, running_lab
from tests.marks import thorough

CASES = {
    "bind": ("bind", ""),
    "build": ("build", ""),
    "single": ("single", ""),
    "bind-compose-v1": ("bind", COMPOSE_V1),
    "build-compose-v1": ("build", COMPOSE_V1),
}
OTHER_CASES = tuple(CASES)[1:]


@pytest.fixture(scope="module", params=["bind", *map(thorough, OTHER_CASES)])
def operator(
    request: pytest.FixtureRequest, labs_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """A deployment on which Phase 1 runs and has processed documents."""
    variant, compose = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with running_lab(variant, "phase1", f"e2e-main-{request.param}", folder, compose) as started:
        started.lab.load(len(started.lab.containers("enrichment-worker")))  # one each: further ones hang
        yield started


def test_without_a_rollback_verify_is_no_go(operator: Operator) -> None:
    """Check 1 is red and names what it saw, in which replica."""
    ended = operator.verify()
    assert ended.status == 10, ended.output
    record = operator.newest_record()
    assert record["verdict"] == "NO-GO"
    claims = [c for c in finding(record, "new_behaviour")["claims"] if c["outcome"] == "failed"]
    replicas = {c["subject"] for c in claims if "enrichment-worker" in c["subject"]}
    assert len(replicas) == len(operator.lab.containers("enrichment-worker"))
    seen = " ".join(detail for c in claims for detail in (c["says"], *c["details"]))
    assert "enrichment_service/errors" in seen
    assert "get_tool_timeout" in seen
    assert "carry the new code's mark" in seen


def test_rollback_verify_is_go(operator: Operator) -> None:
    """The chained tasks roll back and judge: GO, with the run, and without touching other services."""
    others = identities(operator.lab, OTHERS)
    ended = operator.invoke("rollback", "--reason", "e2e", "verify", "--set", "limits.soak_s=1")
    assert ended.status == 0, ended.output
    record = operator.newest_record()
    assert record["verdict"] == "GO"
    assert record["run"]["reason"] == "e2e"
    assert record["run"]["interruption"]["seconds"] is not None
    assert [f["outcome"] for f in record["findings"]] == ["passed"] * 4
    assert {path.name for path in record["folder"].iterdir()} == {
        "report.html",
        "report.json",
        "junit.xml",
        "pytest.log",
    }
    assert identities(operator.lab, OTHERS) == others


def test_a_second_rollback_changes_nothing_and_says_why(operator: Operator) -> None:
    """Idempotent: no container is touched, and verify still finds the first run."""
    before = identities(operator.lab, ("enrichment-worker", "enrichment-coordinator"))
    ended = operator.rollback()
    assert ended.status == 0, ended.output
    assert "nothing to do, nothing was changed" in ended.output
    assert identities(operator.lab, ("enrichment-worker", "enrichment-coordinator")) == before


def test_full_removes_what_quick_left_and_restarts_nothing(operator: Operator) -> None:
    """Tests and documentation of the change go into the quarantine; the running containers do not need them."""
    before = identities(operator.lab, ("enrichment-worker", "enrichment-coordinator"))
    test_file = operator.lab.directory / "tests/test_error_handling.py"
    text = test_file.read_bytes()
    ended = operator.invoke("rollback.full", "--docs", "verify", "--set", "limits.soak_s=1")
    assert ended.status == 0, ended.output
    assert not test_file.exists()
    assert not (operator.lab.directory / "PHASE1_IMPLEMENTATION.md").exists()
    kept = [
        p for root in (operator.lab.directory, operator.reports.parent) for p in root.rglob("quarantine/tests/*.py")
    ]
    assert [p.read_bytes() for p in kept] == [text]
    assert identities(operator.lab, ("enrichment-worker", "enrichment-coordinator")) == before


def test_the_password_is_in_no_record(operator: Operator) -> None:
    """Neither as it is nor in a URL's form."""
    secrets = {operator.lab.settings["LAB_MONGO_PASSWORD"], operator.lab.settings["LAB_MONGO_PASSWORD_QUOTED"]}
    files = [path for path in operator.reports.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert not any(secret in path.read_text() for secret in secrets), path
