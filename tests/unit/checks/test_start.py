"""Whether the process can have other code in memory than its files hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.change.reading import Bytecode, CodeReading
from rollback_gate.checks import start
from rollback_gate.model import Claim, Outcome
from tests.unit.builders import STARTED, file_reading, replica, replica_reading


def with_file(**changes: Any) -> CodeReading:
    return CodeReading((file_reading(**changes),), ())


LATE = {"modified_at": STARTED.plus(0.001), "changed_at": STARTED.plus(0.001)}
OTHERWISE = {"size": 19_153, "bytecode": (Bytecode(24_000, STARTED),)}


def by_hand(code: CodeReading, **changes: Any) -> Claim:
    return start.process_start(replica_reading(code=code, by_run=None, **changes))


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (with_file(**LATE, **OTHERWISE), {}),
        (
            with_file(
                **LATE,
                size=19_153,
                bytecode=(
                    Bytecode(24_000, STARTED),
                    Bytecode(24_001, STARTED),
                ),
            ),
            {},
        ),
        (replace(with_file(**LATE), removed_at=STARTED.plus(1)), {}),
        (replace(with_file(**LATE, size=1, bytecode=(Bytecode(1, STARTED.plus(1)),)), removed_at=STARTED.plus(1)), {}),
        (with_file(**LATE), {"reverted_at": STARTED.plus(1)}),
        (with_file(), {"reverted_at": STARTED.plus(1)}),
    ],
    ids=["bytecode", "bytecode-of-two-versions", "removed-since", "compiled-anew-since", "journal", "journal-alone"],
)
def test_a_process_that_had_other_code_at_its_start_is_red(code: CodeReading, changes: Any) -> None:
    """Files restored, worker not restarted: the new code goes on in memory."""
    assert start.process_start(replica_reading()).passed
    assert by_hand(code, **changes).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "code",
    [
        with_file(**LATE),
        with_file(**LATE, size=19_153, bytecode=(Bytecode(19_153, STARTED),)),
        with_file(
            **LATE,
            size=19_153,
            bytecode=(
                Bytecode(24_000, STARTED),
                Bytecode(19_153, STARTED),
            ),
        ),
        with_file(changed_at=STARTED.plus(1), **OTHERWISE),
        replace(with_file(**LATE), removed_at=STARTED.plus(-1)),
        replace(with_file(**LATE, size=1, bytecode=(Bytecode(1, STARTED),)), removed_at=STARTED.plus(1)),
        replace(with_file(), removed_at=STARTED.plus(1), folders_changed_at=STARTED.plus(1)),
    ],
    ids=[
        "time",
        "same-size",
        "one-version-same-size",
        "owner-or-mode",
        "removed-before",
        "never-compiled-otherwise",
        "folder-alone",
    ],
)
def test_times_alone_are_a_reason_to_doubt(code: CodeReading) -> None:
    """`touch`, or a copy of the same: nothing tells what was there at the start."""
    claim = by_hand(code)
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "restart it to be sure" in claim.says


def test_bytecode_that_is_not_kept_up_to_date_is_no_evidence() -> None:
    """Of a process that is younger than its files it says nothing at all."""
    assert by_hand(with_file(**OTHERWISE)).passed


def test_a_file_written_again_after_the_rollback_is_a_reason_to_doubt() -> None:
    """`touch`, or a copy of the same: the process that the rollback started has old code in memory."""
    late = with_file(modified_at=STARTED.plus(60), changed_at=STARTED.plus(60), **OTHERWISE)
    claim = start.process_start(replica_reading(code=late))
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "was written at" in claim.says


def test_whole_second_file_times_are_compared_as_such() -> None:
    """A `stat` that cuts to seconds must not make the same second look older; the second after is."""
    same = STARTED.ns // 10**9 * 10**9
    cut = replica_reading(code=with_file(modified_at=replace(STARTED, ns=same), changed_at=replace(STARTED, ns=same)))
    assert start.process_start(cut).passed
    later = replace(STARTED, ns=same + 10**9)
    late = replica_reading(code=with_file(modified_at=later), by_run=None)
    assert start.process_start(late).outcome is Outcome.INCONCLUSIVE


def test_unknown_file_times_prove_nothing() -> None:
    """A container whose `stat` cannot say when: the process's start cannot be compared."""
    code = with_file(modified_at=None, changed_at=None)
    assert start.process_start(replica_reading(code=code, by_run=None)).outcome is Outcome.INCONCLUSIVE
    assert start.process_start(replica_reading(code=code)).passed, "the run restored before it restarted"


def test_file_touched_after_the_start_is_inconclusive() -> None:
    """Only the change time is later: content may be the same, but that cannot be told."""
    touched = replica_reading(code=with_file(changed_at=STARTED.plus(60)))
    assert start.process_start(touched).outcome is Outcome.INCONCLUSIVE


def test_a_process_older_than_the_run_is_red() -> None:
    """The run journaled a later start than the process has: it cannot be the run's process."""
    old = replica_reading(before=replica(id="1" * 64, started_at=STARTED.plus(-0.5)))
    assert start.process_start(old).outcome is Outcome.FAILED


def test_a_folder_that_was_moved_under_the_process_is_a_reason_to_doubt() -> None:
    """And never more than that: its time says nothing of what was there."""
    moved = replace(with_file(), folders_changed_at=STARTED.plus(9))
    assert start.process_start(replica_reading(code=moved)).outcome is Outcome.INCONCLUSIVE
    before = replace(with_file(), folders_changed_at=STARTED.plus(-9))
    assert start.process_start(replica_reading(code=before)).passed
