"""Every record that is written: its folder, its two forms, and its place in the chain of its deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError, Unreachable, WrongSetting
from rollback_gate.record import chain, write
from rollback_gate.record.build import Heading
from rollback_gate.record.chain import Link
from rollback_gate.record.seal import canonical, digest
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId
from rollback_gate.workflow.call import Call, local_now


def of_deployment(deployment: DeploymentId) -> Callable[[str], bool]:
    """Whether a record is, or could be, of this deployment: a verify that found no engine may have been of any."""
    if deployment.engine_id != UNKNOWN_ENGINE:
        return deployment.may_be
    suffix = f"/{deployment.project}/{deployment.profile}"
    return lambda other: other.endswith(suffix)


def begin(call: Call, heading: Heading) -> tuple[Heading, Path]:
    """The folder of a record, and its heading with the record before it, and those that have been lost.

    Raises WrongSetting where nothing can be written, Unreachable where the chain may not be read, RollbackGateError
    where another user's is damaged.
    """
    deployment = DeploymentId.parse(heading.deployment["id"])
    links, damaged = _links(call, deployment, heading.record_id)
    lost = [*damaged, *chain.missing(links, call.reports)]
    standing = [link for link in links if not link.gone]
    previous = {"record_id": standing[-1].record_id, "digest": standing[-1].digest} if standing else None
    for link in standing:
        if any(text.startswith(f"{link.record_id},") for text in lost):
            _note(call, deployment, replace(link, gone=f"missed by {heading.record_id}"))
    return replace(heading, previous=previous, lost=tuple(lost)), _folder(call, heading)


def _links(call: Call, deployment: DeploymentId, name: str) -> tuple[tuple[Link, ...], list[str]]:
    """A damaged chain stops nobody from judging: it is set aside, and the record says so."""
    try:
        return chain.kept_in(call.all_elsewhere, of_deployment(deployment)), []
    except Unreachable:
        raise
    except RollbackGateError as error:
        aside = chain.set_damaged_aside(call.elsewhere, name)
        links = chain.kept_in(call.all_elsewhere, of_deployment(deployment))
        where = ", ".join(map(str, aside))
        return links, [f"which ones is not known: the chain was damaged ({error.message}); it is kept as {where}"]


def _folder(call: Call, heading: Heading) -> Path:
    folder = call.reports / heading.record_id
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise WrongSetting(
            f"no record can be written in {call.reports}: {error.strerror}",
            "name a folder that you may write in ROLLBACK_GATE_REPORTS",
        ) from error
    return folder


def publish(call: Call, folder: Path, record: Mapping[str, Any], around: str = "") -> dict[str, Any]:
    """Both forms, and the chain; returns the record as it was written. `around`: pytest-html's page.

    Raises OSError, ValueError; WrongSetting where the chain cannot be kept.
    """
    written = write.write_page(folder, record, call.terminal.redactor, call.key, around)
    name = str(written["deployment"]["id"])
    deployment = DeploymentId.parse(name)
    made = digest(canonical(written))
    _note(call, deployment, Link(str(written["record_id"]), made, name, str(folder), str(local_now())))
    publish_chain(call, deployment, folder)
    return written


def publish_chain(call: Call, deployment: DeploymentId, folder: Path) -> None:
    """Signed, beside a record: without a key nobody elsewhere could tell whose it is. Raises OSError."""
    if call.key:
        links = chain.kept_in(call.all_elsewhere, of_deployment(deployment))
        chain.publish(folder, links, local_now(), call.key)


def note_gone(call: Call, record_id: str, deployment: str, why: str) -> None:
    """In the chain, before a record goes. Raises WrongSetting."""
    _note(call, DeploymentId.parse(deployment), Link(record_id, "", deployment, "", "", why))


def _note(call: Call, deployment: DeploymentId, link: Link) -> None:
    state = call.elsewhere / deployment.folder_name
    try:
        chain.note(state, link, local_now)
    except OSError as error:
        raise WrongSetting(
            f"which records there are cannot be kept in {state}: {error.strerror}",
            "name a folder that you may write in ROLLBACK_GATE_STATE_DIRECTORY",
        ) from error
