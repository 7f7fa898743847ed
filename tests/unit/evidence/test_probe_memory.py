from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.evidence.probe_memory import KEPT_S, ProbeMemory
from rollback_gate.evidence.readings import Known
from rollback_gate.instant import Instant

NOW = Instant.parse("2026-11-25T20:00:00Z")
A, B, JOB = "rollback-probe-a", "rollback-probe-b", "rollback-probe-job-1"
KNOWN = Known(0.2778, "c" * 64, NOW)


@pytest.fixture
def memory(tmp_path: Path) -> ProbeMemory:
    return ProbeMemory(tmp_path / "state" / "probes.jsonl", (tmp_path / "another" / "probes.jsonl",))


def test_what_was_sent_is_recalled_with_its_job_and_score(memory: ProbeMemory) -> None:
    """The score is known only where it was found stored."""
    memory.sent([A, B], JOB, NOW)
    memory.stored(A, KNOWN)
    found = [(one.document_id, one.job_id, one.known) for one in memory.recall(NOW)]
    assert found == [(A, JOB, (KNOWN,)), (B, JOB, ())]


def test_how_a_probe_was_found_first_stays(memory: ProbeMemory) -> None:
    """The queue delivers it again, and another replica finishes it minutes later: the proof is the first one's."""
    memory.sent(["rollback-probe-a"], "rollback-probe-job-a", NOW)
    memory.stored("rollback-probe-a", KNOWN)
    memory.stored("rollback-probe-a", replace(KNOWN, container_id="d" * 64, score=0.389))
    memory.stored("rollback-probe-a", replace(KNOWN, score=0.5))
    (one,) = memory.recall(NOW)
    slow = replace(KNOWN, container_id="d" * 64, score=0.389)
    assert one.known == (KNOWN, slow)
    process, other = (KNOWN.container_id, KNOWN.started_at), ("d" * 64, KNOWN.started_at)
    assert one.as_known_by({process, other}) == one.as_known_by(set()) == KNOWN
    assert one.as_known_by({other}) == slow, "the first process is gone"


def test_nobody_else_can_read_it(memory: ProbeMemory) -> None:
    memory.sent([A], JOB, NOW)
    assert memory.file.stat().st_mode & 0o777 == 0o600


def test_those_of_another_user_are_recalled_and_old_ones_are_not(memory: ProbeMemory) -> None:
    ProbeMemory(memory.also[0]).sent(["rollback-probe-theirs"], JOB, NOW)
    memory.sent(["rollback-probe-old"], JOB, NOW.plus(-KEPT_S - 1))
    assert [one.document_id for one in memory.recall(NOW)] == ["rollback-probe-theirs"]


def test_a_link_in_its_place_is_refused(memory: ProbeMemory, tmp_path: Path) -> None:
    """Root would write to what somebody else has chosen."""
    memory.file.parent.mkdir()
    memory.file.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        memory.sent([A], JOB, NOW)
    assert not (tmp_path / "victim").exists()


@given(cut=st.integers(0, 400))
def test_a_line_that_a_crash_cut_short_loses_itself_only(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is left of the file, later lines are read, and nothing is made up."""
    memory = ProbeMemory(tmp_path_factory.mktemp("cut") / "probes.jsonl")
    memory.sent([A, B], JOB, NOW)
    memory.stored(A, KNOWN)
    memory.file.write_bytes(memory.file.read_bytes()[:cut])
    memory.sent(["rollback-probe-later"], JOB, NOW)
    found = {one.document_id for one in memory.recall(NOW)}
    assert "rollback-probe-later" in found
    assert found <= {A, B, "rollback-probe-later"}


@pytest.mark.parametrize(
    "line",
    [
        '{"sent": 3}',
        '{"stored": "rollback-probe-a", "score": "x"}',
        '{"stored": "rollback-probe-a", "score": 0.3}',
        "[1]",
        '{"sent": "rollback-probe-x", "job": "rollback-probe-job-1", "at": "now"}',
        '{"sent": "rollback-probe-x", "job": "rollback-probe-job-1", "at": 3}',
        '{"sent": "letter.jpg", "job": "rollback-probe-job-1", "at": "2026-11-25T20:00:00Z"}',
        '{"sent": "rollback-probe-x", "job": "production", "at": "2026-11-25T20:00:00Z"}',
    ],
)
def test_lines_of_somebody_else_are_not_believed(memory: ProbeMemory, line: str) -> None:
    memory.sent([A], JOB, NOW)
    with memory.file.open("a") as file:
        file.write(f"\n{line}\n")
    assert [(one.document_id, one.known) for one in memory.recall(NOW)] == [(A, ())]
