"""Client libraries that only some profiles need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rollback_gate.errors import WrongSetting


@contextmanager
def needing(extra: str, key: str) -> Iterator[None]:
    """Around the import of an adapter whose client library is an extra. Raises WrongSetting where it is missing."""
    try:
        yield
    except ImportError as error:
        raise WrongSetting(
            f"{key} = {extra} needs a client library that is not installed ({error})",
            f"pip install 'rollback-gate[{extra}]'; with ./bootstrap: set ROLLBACK_GATE_EXTRAS=1",
        ) from error
