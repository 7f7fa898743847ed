"""What a run says at its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollback_gate.platform.deployed import Deployed
from rollback_gate.workflow import carry_out
from rollback_gate.workflow.session import Session
from tests.unit.builders import phase1, replica


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unwanted": "is being stopped"}, "p-enrichment-worker-1 on node lost goes on"),
        ({"unwanted": "is being stopped", "status": "exited"}, ""),
        ({}, ""),
    ],
)
def test_what_the_manager_cannot_stop_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    """ "Reverted" alone would be false: a node that it has lost, and that answers us, runs the change on."""
    monkeypatch.setattr(Deployed, "unseen", lambda _: {})
    monkeypatch.setattr(Deployed, "carriers", lambda _: (replica(node="lost", **changes),))
    session = cast(Session, SimpleNamespace(profile=phase1(), engines=None))
    assert carry_out._not_reached(session) == says
