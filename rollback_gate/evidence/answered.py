"""What a service itself answers, as read at the end of verify: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class Answered:
    """One ready condition or one request. `says`: what came of it, in words. `left`: what it has left behind, if
    anything.
    """

    is_fine: bool
    says: str
    left: str = ""


Answer = Answered | Unmeasured
