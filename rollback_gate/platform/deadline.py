"""A limit on the whole of a call. A client's own timeout counts from one byte to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(limit_s: float, call: Callable[[], T], is_over: threading.Event | None = None) -> T:
    """What `call` returns. Raises what it raises; TimeoutError after `limit_s`, when it is left to its thread.

    `is_over` is set when nobody waits any more: a call that changes something must look before it does.
    """
    outcome: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if is_over is not None:
        is_over.set()
    if errors:
        raise errors[0]
    if not outcome:
        raise TimeoutError(late(limit_s))
    return outcome[0]


def late(limit_s: float) -> str:
    """Why a call that has reached its limit is no answer."""
    return f"no whole answer within {limit_s:g} s"
