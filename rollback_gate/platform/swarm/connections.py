"""Connections to the nodes of a Swarm: one for each, kept for a whole command, and a node that is silent left alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rollback_gate.errors import Unreachable
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.swarm.nodes import Node

_LEFT_ALONE_S = 30.0
Connect = Callable[[Node], Engine]


@dataclass
class Connections:
    """One connection to each node that was asked, kept until `close`; one that failed is not tried again.

    `digests`: of images, as their registry has told them. `clock`: in seconds.
    """

    connect: Connect
    digests: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _silent_until: dict[str, float] = field(default_factory=dict)
    _known: dict[str, Engine | Unreachable] = field(default_factory=dict)
    _left: list[Engine] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def to(self, node: Node) -> Engine:
        """Raises Unreachable."""
        with self._lock:
            if self.clock() > self._silent_until.get(node.id, math.inf):  # once more: it may be back
                self._silent_until.pop(node.id)
                self._known.pop(node.id)
            known = self._known.get(node.id)
        if known is None:
            known = self._tried(node)
            with self._lock:
                known = self._known.setdefault(node.id, known)
        if isinstance(known, Unreachable):
            raise Unreachable(known.message, known.remedy)
        return known

    def _tried(self, node: Node) -> Engine | Unreachable:
        try:
            return self.connect(node)
        except Unreachable as error:
            return Unreachable(f"node {node.name}: {error.message}", error.remedy)

    def lost(self, node: Node, error: Unreachable) -> None:
        """It did not answer in time: each further question would wait as long, so it is left alone for a while."""
        with self._lock:
            known = self._known.get(node.id)
            if isinstance(known, Engine):
                self._left.append(known)
                self._known[node.id] = Unreachable(f"node {node.name}: {error.message}", error.remedy)
                self._silent_until[node.id] = self.clock() + _LEFT_ALONE_S

    def close(self) -> None:
        for known in (*self._known.values(), *self._left):
            if isinstance(known, Engine):
                known.close()
