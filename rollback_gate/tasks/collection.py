"""All tasks, by the names that people type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoke.collection import Collection

import lab.tasks
from rollback_gate.tasks import actions, development, judge, probes, record, rollback, ticket


def collection(root: Path) -> Collection:
    """`root`: where this tool is installed; the tasks find it in their context's configuration."""
    acting: Any = Collection("rollback")
    acting.add_task(rollback.quick, default=True)
    for other in (
        rollback.partial,
        rollback.full,
        rollback.rebuild,
        rollback.production,
        rollback.resume,
        rollback.undo,
        rollback.unlock,
        rollback.backups,
        rollback.history,
        rollback.status,
    ):
        acting.add_task(other)
    records: Any = Collection("record", record.check, record.list_all, record.show, record.open_page, record.prune)
    records.add_task(record.sign_chain)
    after: Any = Collection("actions")
    after.add_task(actions.list_all, default=True)
    after.add_task(actions.done)
    reference: Any = Collection.from_module(lab.tasks, name="lab")
    namespace: Any = Collection(
        acting,
        records,
        after,
        Collection("ticket", ticket.attach, ticket.open_ticket),
        reference,
        Collection("probes", probes.sweep),
        judge.assess,
        rollback.preflight,
        judge.snapshot,
        judge.verify,
        judge.gate,
        development.demo,
        development.selftest,
        development.mutate,
        development.lint,
        development.test,
        development.bench,
    )
    namespace.configure({"root": str(root)})
    return namespace  # type: ignore[no-any-return]
