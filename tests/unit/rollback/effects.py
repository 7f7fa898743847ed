"""Killing a process, or letting something fail, at each single effect of what it does: the crash matrix counts them.

An effect is a change of a file below a folder, as Python announces it (`sys.audit`), or what calls `effect`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError


def effect(what: str) -> None:
    """A moment at which a run can be killed."""
    sys.audit("world.effect", what)


FAILED_BY_ITSELF = 1


def killed_at(moment: int, act: Callable[[], object], root: Path) -> bool:
    """Run `act` in a process that is killed before its n-th effect below `root`; False when it came to its end before.

    Raises AssertionError when `act` raised.
    """
    status = _in_a_process(_Effects(moment, str(root), lambda: os.kill(os.getpid(), 9)), act)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
    return os.WIFSIGNALED(status)


def failed_at(moment: int, act: Callable[[], object], root: Path, fault: Callable[[], None]) -> int | None:
    """Run `act` in a process in which `fault` happens before the n-th effect, and before each later one.

    The exit code that an operator would get; None when it came to its end before anything happened.
    """
    effects = _Effects(moment, str(root), fault, again=True)

    def run() -> int:
        try:
            act()
        except RollbackGateError as error:
            return int(error.exit_code)
        return 0 if effects.happened else 99

    status = _in_a_process(effects, run)
    assert os.WIFEXITED(status)
    code = os.WEXITSTATUS(status)
    return None if code == 99 else code


def _in_a_process(effects: _Effects, act: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            sys.addaudithook(effects)
            code = act()
            os._exit(code if isinstance(code, int) else 0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(FAILED_BY_ITSELF)
    return os.waitpid(child, 0)[1]


@dataclass
class _Effects:
    """Counts effects on the engine and on files below `root`; at the n-th, and with `again` at all later ones, acts."""

    left: int
    root: str
    happen: Callable[[], object]
    again: bool = False
    happened: bool = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "world.effect" and not (event in _CHANGES and self._is_ours(event, arguments)):
            return
        self.left -= 1
        if self.left < 0 and (self.again or not self.happened):
            self.happened = True
            self.happen()

    def _is_ours(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if not str(arguments[0]).startswith(self.root) or "engine." in str(arguments[0]):
            return False
        return event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))


_CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
