"""Which records may go: the gate's answer never changes by it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rollback_gate.record.check import Examination
from rollback_gate.workflow.records import Kept, left_over

verdicts = st.sampled_from(["GO", "NO-GO", "INCONCLUSIVE", ""])
rows = st.lists(st.tuples(st.sampled_from("ab"), verdicts), max_size=12)


def kept(found: list[tuple[str, str]]) -> list[Kept]:
    """`found`: deployment and verdict, oldest first; "" for one that cannot be read."""
    return [
        Kept(
            Path(f"{n:04}"), Examination({"deployment": {"id": f"e/{where}/p"}, "verdict": verdict} if verdict else {})
        )
        for n, (where, verdict) in enumerate(found)
    ]


def newest(records: list[Kept], where: str) -> Kept | None:
    """As the gate: one that cannot be read could be anybody's."""
    mine = [one for one in records if one.deployment in (f"e/{where}/p", "")]
    return max(mine, key=lambda one: one.folder.name, default=None)


@given(rows, st.integers(1, 4))
def test_the_gate_says_the_same_after_it(found: list[tuple[str, str]], keep: int) -> None:
    before = kept(found)
    going = left_over(before, keep, set())
    after = [one for one in before if one not in going]
    for where in "ab":
        assert newest(before, where) is newest(after, where)
        mine = [one for one in after if one.deployment == f"e/{where}/p"]
        go_before = [one for one in before if one.deployment == f"e/{where}/p" and one.is_go]
        assert not go_before or go_before[-1] in mine
        assert len(mine) <= keep + 1
    assert [one for one in before if not one.seen.record] == [one for one in after if not one.seen.record]


def test_the_oldest_go_and_those_with_actions_stay() -> None:
    before = kept([("a", "GO"), ("a", "GO"), ("a", "NO-GO"), ("a", "INCONCLUSIVE"), ("a", "NO-GO")])
    assert [one.folder.name for one in left_over(before, 1, set())] == ["0000", "0002", "0003"]
    assert [one.folder.name for one in left_over(before, 1, {Path("0002")})] == ["0000", "0003"]
