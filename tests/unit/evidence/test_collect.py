"""What belongs to a replica's reading, and what says nothing of it."""

from __future__ import annotations

import pytest

from rollback_gate.evidence.collect import is_behind_a_mount
from rollback_gate.platform.replica import Mount
from tests.unit.builders import phase1, replica


@pytest.mark.parametrize(
    ("mounts", "is_behind"),
    [
        ((), False),
        ((Mount("volume", "", "/data", "data"),), False),
        ((Mount("bind", "/srv/p/enrichment_service", "/app/enrichment_service"),), True),
        ((Mount("bind", "/srv/p", "/app"),), True),
    ],
)
def test_code_behind_a_mount(mounts: tuple[Mount, ...], is_behind: bool) -> None:
    """Only of that, a run that restored files proves that an older process has read others."""
    assert is_behind_a_mount(phase1(), replica(mounts=mounts)) is is_behind
