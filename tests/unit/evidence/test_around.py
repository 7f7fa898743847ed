"""What is asked at the end of a verify: a node that is lost meanwhile takes nothing else with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.around import Around
from rollback_gate.model import Unmeasured
from rollback_gate.profile.answers import ReadyHealth
from tests.unit.builders import phase1, replica


def test_whether_a_service_on_a_lost_node_is_ready_is_unmeasured() -> None:
    class Lost:
        def of(self, _: object) -> Any:
            raise Unreachable("node two: no answer")

    nothing = cast(Any, None)
    around = Around(
        phase1(), cast(Any, Lost()), nothing, nothing, nothing, nothing, cast(Any, SimpleNamespace()), nothing
    )
    found = around._ready("api", ReadyHealth(kind="health"), [replica(node="two")])
    assert isinstance(found, Unmeasured)
    assert found.reason == "node two: no answer"
