"""The chain of a deployment's records: which is the newest, and whether one was removed.

Anyone who can write the folder of records could remove a NO-GO, and an older GO would stand. So the chain is kept
outside that folder, in the state directory, and as a signed copy beside each record for a gate on another machine.
"""

from __future__ import annotations

import heapq
import hmac
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.record import seal
from rollback_gate.record.seal import Key
from rollback_gate.record.write import JSON_NAME, read_text
from rollback_gate.rollback import ownership
from rollback_gate.rollback.files import write_text
from rollback_gate.rollback.journal import Entry, Journal

FOLDER, NAME = "records", "chain.json"
FORMAT = 1
_WRITTEN, _GONE = "record", "gone"


@dataclass(frozen=True)
class Link:
    """One record as last written. `digest`: "" until it was written. `gone`: why it may be absent, "" if it may not."""

    record_id: str
    digest: str
    deployment: str
    folder: str
    at: str
    gone: str = ""


def note(place: Path, name: str, link: Link, now: Callable[[], Instant]) -> None:
    """Appends to a deployment's chain below a state directory. Durable on return. Raises OSError.

    Readable by all: it holds only names, digests and paths, and every caller of the gate needs it.
    """
    folder = place / FOLDER
    for one in (place, folder):
        if not one.is_dir():  # an existing one keeps its owner's mode
            one.mkdir(parents=True, exist_ok=True)
            one.chmod(0o755)
    path = folder / f"{name}.jsonl"
    journal = Journal(path, now)
    if link.gone:
        journal.write(_GONE, record_id=link.record_id, why=link.gone)
    else:
        journal.write(_WRITTEN, **{key: value for key, value in asdict(link).items() if key not in ("at", "gone")})
    path.chmod(0o644)


def set_damaged_aside(place: Path, name: str) -> list[Path]:
    """Renames damaged chains, so that they can be inspected; returns their paths. Raises OSError."""
    aside = []
    for path in _files(place):
        try:
            _links(Journal(path, _no_clock).entries())
        except RollbackGateError:
            aside.append(path.rename(path.with_name(f"{path.name}.{name}.damaged")))
    return aside


def kept_in(places: Iterable[Path], is_mine: Callable[[str], bool], trusted: Collection[int]) -> tuple[Link, ...]:
    """The chain of a deployment, in the order its records were begun, from all state directories.

    Raises RollbackGateError for a damaged file and for one that others could have written, Unreachable for one that
    this user may not read. `trusted`: uids.
    """
    entries: list[list[Entry]] = []
    for place in places:
        try:
            for path in _files(place):
                ownership.refuse_foreign_file(path, trusted)
                entries.append(list(Journal(path, _no_clock).entries()))
        except OSError as error:
            raise Unreachable(
                f"the chain of records in {place} cannot be read: {error.strerror}", "run as the user who verified"
            ) from error
    in_order = heapq.merge(*entries, key=lambda entry: entry.at)  # within one file, in the order of writing
    return tuple(link for link in _links(in_order) if is_mine(link.deployment))


def _files(place: Path) -> list[Path]:
    """The chain files of a place. Raises OSError if it is not readable: unreadable does not mean empty."""
    try:
        with os.scandir(place / FOLDER) as found:
            return sorted(Path(entry.path) for entry in found if entry.name.endswith(".jsonl"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _links(entries: Iterable[Entry]) -> list[Link]:
    """The links of the entries. Raises RollbackGateError for entries of another version."""
    by_id: dict[str, Link] = {}
    try:
        for entry in entries:
            data, name = entry.data, str(entry.data["record_id"])
            if entry.event == _WRITTEN:  # a rewritten record keeps its place
                by_id[name] = Link(
                    name, str(data["digest"]), str(data["deployment"]), str(data["folder"]), str(entry.at)
                )
            elif name in by_id:
                by_id[name] = replace(by_id[name], gone=str(data["why"]))
    except KeyError as error:
        raise RollbackGateError(
            f"the chain of records was written by another version: {error!r}", "use the version that wrote it"
        ) from error
    return list(by_id.values())


def _no_clock() -> Instant:
    raise AssertionError("a chain that is read is not written")


# --- the signed copy beside a record


class Signed(NamedTuple):
    """The time of signing, and the links."""

    at: Instant
    links: tuple[Link, ...]


def as_text(links: Iterable[Link], now: Instant, key: Key) -> str:
    table: dict[str, Any] = {"format": FORMAT, "at": str(now), "links": [asdict(link) for link in links]}
    return seal.canonical({**table, "signature": key.sign("chain", seal.canonical(table))})


def parse(text: str, key: Key) -> Signed | Unmeasured:
    """Parses a signed chain; only one signed with the current key counts."""
    what = "the chain of records"
    try:
        table = json.loads(text)
        signature = str(table.pop("signature"))
        if not hmac.compare_digest(signature.encode(), key.sign("chain", seal.canonical(table)).encode()):
            return Unmeasured(what, f"{NAME} is not signed with the key that is set here")
        links = tuple(Link(**{name: str(value) for name, value in row.items()}) for row in table["links"])
        return Signed(Instant.parse(table["at"]), links)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Unmeasured(what, f"{NAME} cannot be read: {error!r}")


def publish(folder: Path, links: Iterable[Link], now: Instant, key: Key) -> None:
    """Writes the signed copy. Raises OSError."""
    write_text(folder / NAME, as_text(links, now, key), 0o644)


# --- checking


def missing(links: Iterable[Link], reports: Path) -> list[str]:
    """Records that are absent or differ from what was written, in words."""
    return [f"{link.record_id}, {why}" for link in links if not link.gone and (why := _why_missing(link, reports))]


def _why_missing(link: Link, reports: Path) -> str:
    """Why a record counts as missing, "" if it does not. Checks its original folder, then the current one."""
    folders = (Path(link.folder), reports / link.record_id)
    digests = [seal.digest(text) for folder in folders if (text := _text_in(folder))]
    at = Instant.parse(link.at).short
    if not link.digest:
        return f"begun {at} in {link.folder}, was never written there, or was taken away"
    if not digests:
        return f"written {at} in {link.folder}, is not there any more"
    return "" if link.digest in digests else f"written {at}, is not what was written, or verify was killed meanwhile"


def _text_in(folder: Path) -> str:
    try:
        return read_text(folder / JSON_NAME)
    except (OSError, UnicodeDecodeError):
        return ""


def is_head(links: Iterable[Link], record: Mapping[str, Any]) -> str:
    """Why a record is not the newest of its deployment, "" if it is."""
    every = list(links)
    if not every:
        return "no record is in the chain"
    head = every[-1]
    if head.gone:
        return f"the newest one, {head.record_id}, is not there any more: {head.gone}"
    if head.record_id != record["record_id"]:
        return f"the newest one is {head.record_id}, written {Instant.parse(head.at).short} in {head.folder}"
    return "" if head.digest == seal.digest(seal.canonical(record)) else f"{head.record_id} is not what was written"
