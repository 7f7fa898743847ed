"""Section on when to roll back."""

from __future__ import annotations

import re

from pydantic import Field

from rollback_gate.profile.base import Seconds, Section, Share
from rollback_gate.profile.logs import ErrorType


class Fixes(Section):
    """What to check when a trigger fires: the runbook's "Fix:" hints, by rule."""

    nothing_to_roll_back: str = ""
    import_error: str = ""
    crash_on_start: str = ""
    same_error: str = ""
    no_test_document: str = ""
    too_low: str = ""
    too_slow: str = ""
    error_spike: str = ""
    upstream: str = ""
    stopped: str = ""
    below_target: str = ""
    some_errors: str = ""
    slower: str = ""
    mixed: str = ""
    reaches_target: str = ""


class Triggers(Section):
    """When to roll back (runbook, When to Rollback; Decision Tree). All times are settings, even the "hour".

    `import_error`: of a Python program, unless the profile says otherwise. `upstream_trouble`: log lines that show the
    upstream slow, away or overloaded. `target`: the score that the change promised, as a share;
    left out, it must reach what is normal (`completeness.low`).
    """

    import_error: re.Pattern[str] = re.compile(
        r"(?:^|: )(?:ModuleNotFoundError|ImportError|SyntaxError|IndentationError|TabError)\b"
    )
    upstream_trouble: re.Pattern[str] | None = None
    errors: tuple[ErrorType, ...] = ()
    fix: Fixes = Fixes()
    target: Share | None = None
    after_s: Seconds = 1800
    wait_s: Seconds = 7200
    bucket_s: float = Field(default=600, gt=0, le=86_400)
    slow_s: Seconds = 400
    slower_s: Seconds = 120
    hour_s: float = Field(default=3600, ge=1, le=86_400)
    spike: int = Field(default=50, ge=1)
    unexpected: int = Field(default=5, ge=1)
    documents: int = Field(default=5, ge=1, le=1000)
    valid_s: Seconds = 3600
    watch_s: float = Field(default=60, gt=0, le=86_400)
