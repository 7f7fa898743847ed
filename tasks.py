"""What `invoke` finds: the tasks are in rollback_gate/tasks and lab/tasks.py."""

from __future__ import annotations

from pathlib import Path

from rollback_gate.tasks.collection import collection

namespace = collection(Path(__file__).resolve().parent)
