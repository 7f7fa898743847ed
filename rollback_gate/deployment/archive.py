"""One file of a container, running or not, through the engine's archive interface."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable

from docker.errors import NotFound

from rollback_gate.deployment.engine import Engine, answering
from rollback_gate.errors import Unreachable


def digest_in(engine: Engine, container_id: str, path: str) -> str | None:
    """SHA-256 of a plain file; None when it does not exist or is none. Raises Unreachable."""
    with answering(f"{path} in {container_id[:12]}"):
        try:
            chunks, _ = engine.client.api.get_archive(container_id, path)
        except NotFound:
            return None
        return _digest(chunks, path)


def _digest(chunks: Iterable[bytes], path: str) -> str | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile(archive.next() or tarfile.TarInfo())
            return None if file is None else hashlib.sha256(file.read()).hexdigest()
    except (tarfile.TarError, KeyError) as error:
        raise Unreachable(f"the engine's copy of {path} cannot be read: {error}") from error


def exists_in(engine: Engine, container_id: str, path: str) -> bool:
    """Raises Unreachable."""
    with answering(f"{path} in {container_id[:12]}"):
        try:
            chunks, _ = engine.client.api.get_archive(container_id, path)
            return any(chunks)
        except NotFound:
            return False
