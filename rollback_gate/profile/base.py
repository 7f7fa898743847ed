"""The base of all profile sections: types of values, and the section itself."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError("must be a path inside the project directory, without '..'")
    return str(pure)


def _no_credentials(address: str) -> str:
    if "@" in address or "//" in address:
        raise ValueError("must be host:port; credentials come from the environment or a file")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"an IPv6 address stands in brackets: [{host}]:{port}")
    return address


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no credentials; they come from the environment or a file")
    return url


RelativePath = Annotated[str, AfterValidator(_relative)]


Address = Annotated[str, AfterValidator(_no_credentials)]


Url = Annotated[str, AfterValidator(_plain_url)]


Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


Share = Annotated[float, Field(ge=0, le=1)]


Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _glob(pattern: str) -> str:
    if "**" in pattern:
        raise ValueError("must be a glob within one folder, without '**'")
    return _relative(pattern)
