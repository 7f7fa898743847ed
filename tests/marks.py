"""Which tests are asked when."""

from __future__ import annotations

from typing import Any

import pytest


def thorough(*values: Any, name: str | None = None) -> Any:
    """A parameter set that is asked with `invoke test --all` only: one more variant of what others ask too."""
    return pytest.param(*values, marks=pytest.mark.thorough, id=name)
