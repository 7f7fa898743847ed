"""Each check is seen red for the right reason, on a finished rollback that is broken in one named way; and green."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.breaks import BREAKS
from tests.e2e.conftest import Operator, finding, running_lab


@dataclass(frozen=True)
class Expected:
    """Verdict, the outcome of the check that must say so, and words of its reason."""

    verdict: str
    check: str
    outcome: str
    words: str


EXPECTED = {
    "new-code": Expected("NO-GO", "new_behaviour", "failed", "files that are not the old code"),
    "one-byte": Expected("NO-GO", "new_behaviour", "failed", "not the old code"),
    "not-restarted": Expected("NO-GO", "new_behaviour", "failed", "older than the restored file"),
    "crash-loop": Expected("NO-GO", "worker_running", "failed", "0 of 2 replicas run"),
    "paused": Expected("NO-GO", "worker_running", "failed", "1 of 2 replicas run"),
    "stopped": Expected("NO-GO", "worker_running", "failed", "1 of 2 replicas run"),
    "missing": Expected("NO-GO", "worker_running", "failed", "1 of 2 replicas run"),
    "coordinator-down": Expected("NO-GO", "worker_running", "failed", "gvpocr-enrichment-coordinator is exited"),
    "queue-down": Expected("INCONCLUSIVE", "processing", "inconclusive", "queue"),
    "database-down": Expected("INCONCLUSIVE", "processing", "inconclusive", "MongoDB"),
    "stuck": Expected("NO-GO", "processing", "failed", "and not finished within"),
    "mcp-refused": Expected("INCONCLUSIVE", "completeness", "inconclusive", "MCP server does not answer"),
    "mcp-partial": Expected("NO-GO", "completeness", "failed", "near the changed behaviour"),
    "mcp-rich": Expected("INCONCLUSIVE", "completeness", "inconclusive", "outside the band"),
    "mcp-blank": Expected("NO-GO", "completeness", "failed", "below 20%"),
}


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A bind deployment that was rolled back and is GO."""
    with running_lab("bind", "phase1", "e2e-checks", tmp_path_factory.mktemp("checks")) as started:
        assert started.rollback().status == 0
        ended = started.verify()
        assert ended.status == 0, ended.output
        yield started


def test_every_break_of_the_lab_has_an_expectation() -> None:
    """A new break is covered the day it is added."""
    assert EXPECTED.keys() == BREAKS.keys()
    assert all(EXPECTED[name].check == entry.check for name, entry in BREAKS.items())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_broken_rollback_is_judged(operator: Operator, name: str) -> None:
    """The verdict is the expected one and the right check says so; once healed, the deployment is GO again."""
    expected = EXPECTED[name]
    BREAKS[name].apply(operator.lab)
    try:
        limits = ("limits.probe_s=4", "limits.health_s=6", "limits.answer_s=2")
        ended = operator.verify(*(part for limit in limits for part in ("--set", limit)))
        record = operator.newest_record()
    finally:
        operator.lab.heal()
    assert record["verdict"] == expected.verdict, ended.output
    said = finding(record, expected.check)
    assert said["outcome"] == expected.outcome, ended.output
    assert expected.words in said["reason"] + " ".join(c["says"] for c in said["claims"]), ended.output


def test_healed_it_is_go_again(operator: Operator) -> None:
    """The breaks above left nothing behind: the same judge says GO on the same deployment."""
    ended = operator.verify()
    assert ended.status == 0, ended.output
