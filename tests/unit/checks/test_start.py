"""Whether the process can have other code in memory than its files hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.change.reading import Bytecode, CodeReading
from rollback_gate.checks import start
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Outcome
from tests.unit.builders import STARTED, file_reading, log, replica, replica_reading


def with_file(**changes: Any) -> CodeReading:
    return CodeReading((file_reading(**changes),), ())


BEFORE_IT = STARTED.plus(-1)
LATE = {"modified_at": STARTED.plus(0.001), "changed_at": STARTED.plus(0.001)}
OTHERWISE = {"size": 19_153, "bytecode": (Bytecode(24_000, STARTED.plus(1)),)}


def by_hand(code: CodeReading, **changes: Any) -> Claim:
    return start.process_start(replica_reading(code=code, by_run=None, **changes))


def test_a_start_that_has_not_come_yet_compares_with_nothing() -> None:
    """A clock that was set back: what is older than the process cannot be told by times any more."""
    ahead = replica_reading(log=log(read_at=STARTED.plus(-3600)))
    assert start.process_start(ahead).outcome is Outcome.INCONCLUSIVE
    assert start.process_start(replica_reading(log=log(read_at=STARTED.plus(-1)))).passed, "clocks step a little"


@pytest.mark.parametrize(("changed", "outcome"), [(BEFORE_IT, Outcome.PASSED), (None, Outcome.INCONCLUSIVE)])
def test_a_time_in_the_future_is_not_when_it_was_written(changed: Instant | None, outcome: Outcome) -> None:
    """Copied from a machine whose clock is ahead: when it was put here tells."""
    ahead = with_file(modified_at=STARTED.plus(3 * 3600), changed_at=changed)
    assert by_hand(ahead).outcome is outcome


AFTER, LONG_AFTER, BEFORE = STARTED.plus(2), STARTED.plus(600), STARTED.plus(-1)
GONE = "enrichment_service/config/timeouts.py"


def compiled(*sizes: int, at: Instant | None = AFTER, **changes: Any) -> CodeReading:
    """The restored file has one byte, is younger than the process, and was compiled so."""
    return with_file(
        **LATE, size=1, bytecode=tuple(Bytecode(size, at, **{"source_at": BEFORE, **changes}) for size in sizes)
    )


def gone(at: Instant, source_at: Instant = BEFORE) -> CodeReading:
    """A removed module was compiled then; its bytecode is still there."""
    return replace(with_file(**LATE), compiled_before_removal=((GONE, Bytecode(9, at, source_at)),))


RED: dict[str, tuple[CodeReading, dict[str, Any]]] = {
    "bytecode": (compiled(2), {}),
    "bytecode of two versions": (compiled(2, 3), {}),
    "a module compiled, and gone": (gone(AFTER), {}),
    "a module that came in the second of the start": (gone(AFTER, STARTED), {}),
    "journal": (with_file(**LATE), {"reverted_at": AFTER}),
    "journal alone": (with_file(), {"reverted_at": AFTER}),
}
DOUBTS = {
    "a time": with_file(**LATE),
    "the same size": compiled(1),
    "one version of the same size": compiled(2, 1),
    "compiled before the start": compiled(2, at=BEFORE),
    "compiled of what came in the second of the start": compiled(2, source_at=STARTED),
    "compiled by somebody else": compiled(2, at=LONG_AFTER),
    "compiled, nobody knows when": compiled(2, at=None),
    "compiled of what came after the start": compiled(2, source_at=AFTER),
    "compiled, nobody knows of what": compiled(2, source_at=None),
    "a module that came after the start": gone(AFTER, AFTER),
    "bytecode that is not kept": compiled(2, is_kept=False),
    "owner or mode": with_file(changed_at=AFTER, size=1, bytecode=(Bytecode(2, AFTER),)),
    "a module gone before the start": gone(BEFORE),
    "a module that somebody else compiled": gone(LONG_AFTER),
    "a folder's time": replace(with_file(), folders_changed_at=AFTER),
    "bytecode that Python takes unseen": with_file(size=1, bytecode=(Bytecode(1, BEFORE, is_blind=True),)),
}


@pytest.mark.parametrize("case", RED)
def test_a_process_that_had_other_code_at_its_start_is_red(case: str) -> None:
    """Files restored, worker not restarted: the new code goes on in memory."""
    assert start.process_start(replica_reading()).passed
    code, changes = RED[case]
    assert by_hand(code, **changes).outcome is Outcome.FAILED


@pytest.mark.parametrize("case", DOUBTS)
def test_times_alone_are_a_reason_to_doubt(case: str) -> None:
    """`touch`, or a copy of the same: nothing tells what was there at the start."""
    claim = by_hand(DOUBTS[case])
    assert claim.outcome is Outcome.INCONCLUSIVE
    assert "restart" in claim.says


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
