"""The order in which `--help` lists the commands: by what the operator is about to do."""

from __future__ import annotations

GROUPS = (
    (
        "During an incident",
        ("assess", "preflight", "rollback", "verify", "rollback.production", "rollback.status"),
    ),
    (
        "When a rollback did not complete",
        ("rollback.resume", "rollback.undo", "rollback.unlock", "rollback.history"),
    ),
    (
        "Other ways to roll back",
        ("rollback.partial", "rollback.full", "rollback.rebuild", "rollback.backups"),
    ),
    (
        "Before the next deployment",
        ("gate", "actions", "actions.done", "snapshot", "profile.new", "profile.check", "profile.show"),
    ),
    (
        "Records and tickets",
        (
            "record.show",
            "record.list",
            "record.open",
            "record.check",
            "record.chain",
            "record.prune",
            "ticket.attach",
            "ticket.open",
            "probes.sweep",
        ),
    ),
    ("Try it without harm", ("demo", "lab.up", "lab.load", "lab.deploy", "lab.break", "lab.mcp", "lab.down")),
)
OTHERS = "For developers"
