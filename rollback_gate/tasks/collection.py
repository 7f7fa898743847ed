"""All tasks, by the names that users type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoke.collection import Collection

from rollback_gate.launcher import DEFAULT
from rollback_gate.tasks import actions, judge, probes, profile, record, rollback, ticket
from rollback_gate.tasks.place import is_checkout


def collection(root: Path, launcher: str = DEFAULT) -> Collection:
    """`root`: where this tool is; `launcher`: how it was called. Tasks find both in their context's configuration."""
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
    namespace: Any = Collection(
        acting,
        records,
        after,
        Collection("ticket", ticket.attach, ticket.open_ticket),
        Collection("probes", probes.sweep),
        Collection("profile", profile.check, profile.new, profile.show),
        judge.assess,
        rollback.preflight,
        judge.snapshot,
        judge.verify,
        judge.gate,
        *(_of_a_checkout() if is_checkout(root) else ()),
    )
    namespace.configure({"root": str(root), "launcher": launcher})
    return namespace  # type: ignore[no-any-return]


def _of_a_checkout() -> tuple[Any, ...]:
    """Tasks that need lab and tests, which are not part of an installation."""
    import lab.tasks
    from rollback_gate.tasks import development

    reference: Any = Collection.from_module(lab.tasks, name="lab")
    return (
        reference,
        development.demo,
        development.selftest,
        development.mutate,
        development.lint,
        development.test,
        development.bench,
    )
