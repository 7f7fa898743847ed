"""Reads a file that others may have placed: regular, opened without blocking, limited in size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 64 << 20
_PART_BYTES = 1 << 20


def content_of(path: Path, most_bytes: int = MOST_BYTES, owners: frozenset[int] | None = None) -> bytes:
    """Raises OSError, also for a pipe (it would block), a device (it has no end), and a file over the limit.

    `owners`: uids; a file of any other owner is refused, even if the path was checked before.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        if owners is not None and os.fstat(descriptor).st_uid not in owners:
            raise PermissionError(errno.EPERM, "belongs to another user", str(path))
        content = b""
        while len(content) <= most_bytes and (part := file.read(min(_PART_BYTES, most_bytes + 1 - len(content)))):
            content += part
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"is larger than {most_bytes >> 20} MB", str(path))
    return content


def text_of(path: Path, most_bytes: int = MOST_BYTES, owners: frozenset[int] | None = None) -> str:
    """The same, decoded as UTF-8; line ends stay as they are. Raises OSError, UnicodeDecodeError."""
    return content_of(path, most_bytes, owners).decode("utf-8")
