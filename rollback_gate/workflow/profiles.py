"""Profiles as an operator sees them."""

from __future__ import annotations

from rollback_gate.model import ExitCode
from rollback_gate.record import build
from rollback_gate.workflow.call import Call


def show(call: Call, is_set_only: bool) -> ExitCode:
    """Print the effective settings with their origins. Raises WrongSetting."""
    settings = call.load()
    rows = [row for row in build.settings_of(settings) if not is_set_only or row["origin"] != "default"]
    call.terminal.stage(f"{settings.profile.title}: {call.profile_path}")
    call.terminal.table(("Setting", "Value", "From"), [(row["key"], row["value"], row["origin"]) for row in rows])
    return ExitCode.GO
