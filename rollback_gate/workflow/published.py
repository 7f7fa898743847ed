"""Publishing a record: its folder, its two forms, and its place in the chain of its deployment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rollback_gate.errors import RollbackGateError, WrongSetting
from rollback_gate.record import chain, write
from rollback_gate.record.build import Heading
from rollback_gate.record.chain import Link
from rollback_gate.record.seal import canonical, digest
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId
from rollback_gate.workflow.call import Call, local_now


@dataclass(frozen=True)
class Folder:
    """The folder of one record. `identity`: device and inode, because others may be able to replace it."""

    path: Path
    identity: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> Folder:
        status = path.stat(follow_symlinks=False)
        return cls(path, (status.st_dev, status.st_ino))

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """A path to this very folder, even if its name was reused. Raises OSError if the folder was replaced."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != self.identity:
                raise NotADirectoryError(0, "another folder was put in its place", str(self.path))
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)


def of_deployment(deployment: DeploymentId) -> Callable[[str], bool]:
    """True for ids that are, or may be, of this deployment: a verify without an engine may be of any."""
    if deployment.engine_id != UNKNOWN_ENGINE:
        return deployment.may_be
    suffix = f"/{deployment.project}/{deployment.profile}"
    return lambda other: other.endswith(suffix)


def links_of(call: Call, deployment: DeploymentId) -> tuple[Link, ...]:
    """The chain of a deployment. Raises RollbackGateError."""
    return chain.kept_in(call.all_elsewhere, of_deployment(deployment), call.trusted)


def begin(call: Call, heading: Heading) -> tuple[Heading, Folder]:
    """The folder of a record, and its heading with the previous record and the lost ones.

    The record is in the chain before any part of it is visible, so removing it at once is detected. Raises WrongSetting
    if nothing can be written.
    """
    deployment = DeploymentId.parse(heading.deployment["id"])
    links, unread = _links(call, deployment, heading.record_id)
    lost = [*unread, *chain.missing(links, call.reports)]
    standing = [link for link in links if not link.gone]
    previous = {"record_id": standing[-1].record_id, "digest": standing[-1].digest} if standing else None
    path = call.reports / heading.record_id
    _note(call, deployment, Link(heading.record_id, "", str(deployment), str(path), ""))
    for link in standing:
        if any(text.startswith(f"{link.record_id},") for text in lost):
            _note(call, deployment, replace(link, gone=f"missed by {heading.record_id}"))
    return replace(heading, previous=previous, lost=tuple(lost)), _made(call, path)


def _links(call: Call, deployment: DeploymentId, name: str) -> tuple[tuple[Link, ...], list[str]]:
    """The chain's links. A damaged or unreadable chain does not stop verify: the record reports it."""
    try:
        return links_of(call, deployment), []
    except RollbackGateError as error:
        why = error.message
    try:
        aside = chain.set_damaged_aside(call.elsewhere, name)
        links = chain.kept_in((call.elsewhere,), of_deployment(deployment), call.trusted)
    except (OSError, RollbackGateError):
        aside, links = [], ()
    kept = f"; it is kept as {', '.join(map(str, aside))}" if aside else ""
    return links, [f"which ones is not known: {why}{kept}"]


def _made(call: Call, path: Path) -> Folder:
    try:
        path.mkdir(parents=True)
        return Folder.of(path)
    except OSError as error:
        raise WrongSetting(
            f"no record can be written in {call.reports}: {error.strerror}",
            "name a folder that you may write in ROLLBACK_GATE_REPORTS",
        ) from error


def publish(call: Call, folder: Folder, record: Mapping[str, Any], around: str = "") -> dict[str, Any]:
    """Writes both forms and the chain; returns the record as written. `around`: pytest-html's page.

    Raises OSError, ValueError; WrongSetting if the chain cannot be kept.
    """
    with folder.opened() as inside:
        written = write.write_page(inside, record, call.terminal.redactor, call.key, around)
        name = str(written["deployment"]["id"])
        deployment = DeploymentId.parse(name)
        made = digest(canonical(written))
        try:
            _note(call, deployment, Link(str(written["record_id"]), made, name, str(folder.path), ""))
        except WrongSetting as error:
            says = f"the record is in {folder.path}, but not in the chain: {error.message}"
            raise WrongSetting(says, error.remedy) from error
        publish_chain(call, deployment, inside, str(written["record_id"]))
    return written


def publish_chain(call: Call, deployment: DeploymentId, folder: Path, record_id: str) -> bool:
    """Writes the signed chain beside a record; true if written. Unsigned, it proves nothing elsewhere.

    A chain that does not list the record would close the gate elsewhere: the existing file stays.
    """
    if call.key is None:
        return False
    try:
        links = links_of(call, deployment)
        if not any(link.record_id == record_id for link in links):
            return False
        chain.publish(folder, links, local_now(), call.key)
    except (OSError, RollbackGateError) as error:
        call.terminal.item("warning", chain.NAME, f"was not written beside the record: {error}")
        return False
    return True


def note_gone(call: Call, record_id: str, deployment: DeploymentId, why: str) -> None:
    """Adds to the chain that a record is removed, before the removal. Raises WrongSetting."""
    _note(call, deployment, Link(record_id, "", str(deployment), "", "", why))


def _note(call: Call, deployment: DeploymentId, link: Link) -> None:
    try:
        chain.note(call.elsewhere, deployment.folder_name, link, local_now)
    except OSError as error:
        raise WrongSetting(
            f"which records there are cannot be kept in {call.elsewhere}: {error.strerror}",
            "name a folder that you may write in ROLLBACK_GATE_STATE_DIRECTORY",
        ) from error
