"""Why a rollback is made: the last assessment is its reason, and speaks up where it says something else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rollback_gate.errors import Refused, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Decision
from rollback_gate.platform import engine as engines
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.store import Store, runs_in
from rollback_gate.workflow import assessments
from rollback_gate.workflow.call import Call, local_now, stores_of

if TYPE_CHECKING:
    from rollback_gate.workflow.rollback import Order


def settled(call: Call, profile: Profile, stores: Iterable[Store], order: Order) -> Order:
    """With the last assessment, and its reason where the operator gave none.

    One that is not ROLL BACK NOW needs a yes, or --despite-assessment. Raises Refused.
    """
    if order.assessment is not None:
        return order
    places = tuple(stores)
    table = assessments.last(places, local_now(), profile.triggers.valid_s)
    runs = [account.began_at for _, account in runs_in(places)]
    if table is None or any(began > Instant.parse(table["at"]) for began in runs):
        return order  # none, or of something that was rolled back, or tried to be, since
    at, decision = Instant.parse(table["at"]).short, Decision(table["decision"])
    call.terminal.item(
        "ok" if decision is Decision.ROLL_BACK else "warning", f"assessment of {at}", f"{decision}: {table['reason']}"
    )
    despite = order.despite_assessment
    if decision is not Decision.ROLL_BACK and not despite:
        despite = call.terminal.ask(f"the assessment says {decision}; roll back anyway?")
        if not despite:
            raise Refused(
                f"the assessment of {at} says {decision}, not {Decision.ROLL_BACK}; nothing was touched",
                "invoke assess again; or to roll back anyway: invoke rollback --despite-assessment verify",
            )
    reason = order.reason or (table["reason"] if decision is Decision.ROLL_BACK else "")
    return replace(order, reason=reason, assessment=table, despite_assessment=despite)


def settled_before(call: Call, order: Order) -> Order:
    """The same, before anybody is told that a rollback begins. Without an engine preflight will say so."""
    settings = call.load()
    try:
        with contextlib.closing(engines.connect(call.environ)) as engine:
            stores = stores_of(call, settings, engine)
    except Unreachable:
        return order
    return settled(call, settings.profile, stores, order)
