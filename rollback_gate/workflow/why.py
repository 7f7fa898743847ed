"""The reason for a rollback: the last assessment, which needs confirmation if it is not ROLL BACK NOW."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rollback_gate.errors import Refused, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Decision
from rollback_gate.platform.connected import connect
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.store import Store, runs_in
from rollback_gate.workflow import assessments
from rollback_gate.workflow.call import Call, local_now, stores_of

if TYPE_CHECKING:
    from rollback_gate.workflow.order import Order


def settled(call: Call, profile: Profile, stores: Iterable[Store], order: Order) -> Order:
    """Adds the last assessment, and its reason if the operator gave none.

    An assessment other than ROLL BACK NOW needs a yes, or --despite-assessment. Raises Refused.
    """
    if order.assessment is not None:
        return order
    places = tuple(stores)
    table = assessments.last(places, local_now(), profile.triggers.valid_s)
    runs = [account.began_at for _, account in runs_in(places)]
    if table is None or any(began > Instant.parse(table["at"]) for began in runs):
        return order  # none, or a run began after it
    at, decision, says = Instant.parse(table["at"]).short, Decision(table["decision"]), table["in_words"]
    mark = "ok" if decision is Decision.ROLL_BACK else "warning"
    call.terminal.item(mark, f"assessment of {at}", f"{says}: {table['reason']}")
    despite = order.despite_assessment
    if decision is not Decision.ROLL_BACK and not despite:
        despite = call.terminal.ask(f"the assessment says {says}; roll back anyway?")
        if not despite:
            raise Refused(
                f"the assessment of {at} says {says}, not {Decision.ROLL_BACK}; nothing was touched",
                "invoke assess again; or to roll back anyway: invoke rollback --despite-assessment verify",
            )
    reason = order.reason or (table["reason"] if decision is Decision.ROLL_BACK else "")
    return replace(order, reason=reason, assessment=table, despite_assessment=despite)


def settled_before(call: Call, order: Order) -> Order:
    """The same, before any message is sent. Without an engine the order is unchanged: preflight reports it."""
    settings = call.load()
    try:
        with contextlib.closing(connect(settings.profile, call.environ)) as engine:
            stores = stores_of(call, settings, engine)
    except Unreachable:
        return order
    return settled(call, settings.profile, stores, order)
