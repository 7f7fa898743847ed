"""Checks that a record is its deployment's newest and that none was removed: by the local chain, or a signed copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.record import chain, find, validity
from rollback_gate.record.answer import Note
from rollback_gate.record.chain import Link
from rollback_gate.record.validity import VERIFY_AGAIN, Obstacle
from rollback_gate.rollback.store import DeploymentId
from rollback_gate.workflow import published
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.records import NEWEST

_UNTOLD = "whether a newer record was removed is unknown"


def obstacles(
    notes: list[Note], call: Call, where: str, name: str, record: Mapping[str, Any], max_age_s: float
) -> list[Obstacle]:
    """`where`: as given to the gate; `name`: folder of the record found; `max_age_s`: for a signed chain."""
    if where != NEWEST:
        return _signed(call, find.beside(where, chain.NAME), record, max_age_s)
    links = _kept(call, record)
    if not isinstance(links, RollbackGateError):
        return validity.of_chain(chain.is_head(links, record), chain.missing(links, call.reports))
    if call.key is None:
        return [Obstacle(f"{_UNTOLD}: {links.message}", links.remedy)]
    signed = _signed(call, str(Path(name) / chain.NAME), record, max_age_s)
    if not signed:
        says = f"is told by {chain.NAME} beside it alone, which may be as old as --max-chain-age allows"
        notes.append(Note("warning", "newest record", f"{says}: {links.message}"))
    return signed


def _kept(call: Call, record: Mapping[str, Any]) -> tuple[Link, ...] | RollbackGateError:
    """The chain kept by this user and root. A record of another user is in another chain."""
    try:
        links = published.links_of(call, DeploymentId.parse(record["deployment"]["id"]))
    except RollbackGateError as error:
        return error
    if any(link.record_id == record["record_id"] for link in links):
        return links
    places = ", ".join(map(str, call.all_elsewhere))
    remedy = f"run as the user who verified, or {VERIFY_AGAIN}"
    return Unreachable(f"record {record['record_id']} is not in the chain that is kept in {places}", remedy)


def _signed(call: Call, where: str, record: Mapping[str, Any], max_age_s: float) -> list[Obstacle]:
    """Checks the signed chain of another machine. An old one proves little: it may be a copy kept from before."""
    remedy = f"publish {chain.NAME}, which verify and invoke record.chain write, beside the record"
    found = _read(call, where)
    if isinstance(found, Unmeasured):
        return [Obstacle(f"{_UNTOLD}: {found.reason}", remedy)]
    at, links = found
    again = "invoke record.chain where verify ran, and publish it; or allow more with --max-chain-age"
    old = validity.too_old(f"the signed {chain.NAME}", at, local_now(), max_age_s, again)
    return old or validity.of_chain(chain.is_head(links, record), [])


def _read(call: Call, where: str) -> chain.Signed | Unmeasured:
    if call.key is None:
        return Unmeasured("the chain of records", "no key is set here")
    try:
        return chain.parse(find.named(where), call.key)
    except Unreachable as error:
        return Unmeasured("the chain of records", error.message)
