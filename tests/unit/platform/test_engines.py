"""One container, as its engine shows it now, beside what only the manager of a Swarm knows of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica
from rollback_gate.suite.host import why_another
from tests.unit.builders import STARTED, replica

SHOWN = replica(name="p_worker.1.abc", service="")
KNOWN = replace(
    SHOWN, node="two", service="worker", number="1", config_hash="h", failed_at=(STARTED,), configs=(("/a", "b"),)
)


def engines(shown: Replica | None) -> Engines:
    class Engine:
        def of(self, replica: Replica) -> Any:
            assert replica.node == KNOWN.node, "asked of another node"
            return type("Engine", (), {"inspect": lambda *_: shown})()

    return cast(Engines, Engine())


def test_what_the_manager_knows_stays() -> None:
    """So it can be asked of the same node again, and compares as the same."""
    assert now_of(engines(SHOWN), KNOWN) == KNOWN
    later = replace(SHOWN, status="exited", exit_code=1)
    assert now_of(engines(later), KNOWN) == replace(KNOWN, status="exited", exit_code=1)
    assert now_of(engines(None), KNOWN) is None


@pytest.mark.parametrize(("changes", "says"), [({}, ""), ({"started_at": STARTED.plus(9)}, "was restarted meanwhile")])
def test_a_check_of_ones_own_can_be_sure_of_a_task_on_its_node(changes: dict[str, Any], says: str) -> None:
    found = now_of(engines(SHOWN), KNOWN)
    assert found is not None
    assert why_another(engines(replace(SHOWN, **changes)), found).endswith(says)
    assert bool(why_another(engines(replace(SHOWN, **changes)), found)) is bool(says)
