"""Files of a container, running or not, through the engine's archive API."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

from docker.errors import NotFound

from rollback_gate.errors import Unreachable
from rollback_gate.instant import Instant
from rollback_gate.platform.engine import REMEDY, Engine, answering


@dataclass(frozen=True)
class Entry:
    """What is at a path. `data`: content of a regular file, else None."""

    data: bytes | None
    is_link: bool
    modified_at: Instant


def entry_in(engine: Engine, container_id: str, path: str) -> Entry | None:
    """None if nothing is there. Raises Unreachable.

    The engine mounts the container's volumes again to answer: it shows what is behind a mount now, which a running
    process may not see.
    """
    with answering(f"{path} in {container_id[:12]}"):
        try:
            chunks, _ = engine.client.api.get_archive(container_id, path)
        except NotFound:
            return None
        return _first_entry(chunks, path)


def file_in(engine: Engine, container_id: str, path: str) -> bytes | None:
    """Content of a regular file; None if there is none at the path. Raises Unreachable."""
    entry = entry_in(engine, container_id, path)
    return entry.data if entry else None


def digest_in(engine: Engine, container_id: str, path: str) -> str | None:
    """SHA-256 of a regular file; None if there is none at the path. Raises Unreachable."""
    data = file_in(engine, container_id, path)
    return None if data is None else hashlib.sha256(data).hexdigest()


def python_files_in(engine: Engine, container_id: str, folder: str) -> dict[str, str]:
    """Source text by path relative to `folder`, of every Python file below it. Raises Unreachable."""
    with answering(f"{folder} in {container_id[:12]}"):
        try:
            chunks, _ = engine.client.api.get_archive(container_id, folder)
        except NotFound:
            return {}
        try:
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                return _python_files(archive, folder)
        except (tarfile.TarError, KeyError) as error:
            raise Unreachable(f"the engine's copy of {folder} cannot be read: {error}") from error


def _python_files(archive: tarfile.TarFile, folder: str) -> dict[str, str]:
    """Raises Unreachable for a symbolic link that may lead to code outside the archive."""
    members = archive.getmembers()
    plain = {member.name for member in members if not (member.issym() or member.isdir())}
    for link in (member for member in members if member.issym()):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.linkname))
        if target not in plain:
            raise Unreachable(
                f"{link.name} is a symbolic link to {link.linkname}: what is behind it in {folder} cannot be read"
            )
    found = {m.name: archive.extractfile(m) for m in members if m.name.endswith(".py") and not m.isdir()}
    return {name.partition("/")[2]: file.read().decode(errors="replace") for name, file in found.items() if file}


def exists_in(engine: Engine, container_id: str, path: str) -> bool:
    """Raises Unreachable. Sends a HEAD request: what is below a folder is not copied."""
    api = engine.client.api
    what = f"{path} in {container_id[:12]}"
    with answering(what):
        url = f"{api.base_url}/v{api.api_version}/containers/{container_id}/archive"
        status = api.head(url, params={"path": path}, timeout=api.timeout).status_code
    if status not in (200, 404):
        raise Unreachable(f"the engine did not answer for {what}: status {status}", REMEDY)
    return status == 200


def _first_entry(chunks: Iterable[bytes], path: str) -> Entry:
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.next() or tarfile.TarInfo()
            file = archive.extractfile(member) if member.isfile() else None
            data = file.read() if file else None
            return Entry(data, member.issym(), Instant.from_epoch_s(float(member.mtime)))
    except (tarfile.TarError, KeyError) as error:
        raise Unreachable(f"the engine's copy of {path} cannot be read: {error}") from error
