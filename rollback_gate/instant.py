"""Moments as the engine writes them: nanoseconds matter when a log is cut at a process's start."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

_RFC3339 = re.compile(r"(?P<base>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, order=True)
class Instant:
    """Nanoseconds since the epoch, UTC."""

    ns: int

    @classmethod
    def parse(cls, text: str) -> Instant:
        """Parses RFC 3339 with up to nine digits of fraction. Raises ValueError for anything else."""
        match = _RFC3339.match(text.strip())
        if not match:
            raise ValueError(f"not an RFC 3339 time with a zone: {text!r}")
        zone = "+00:00" if match["zone"] == "Z" else match["zone"]
        whole = datetime.datetime.fromisoformat(match["base"] + zone)
        fraction = (match["fraction"] or "").ljust(9, "0")
        return cls(int(whole.timestamp()) * 10**9 + int(fraction))

    @classmethod
    def from_datetime(cls, value: datetime.datetime) -> Instant:
        """A naive datetime is taken as UTC, as databases and workers write it."""
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        delta = aware - datetime.datetime.fromtimestamp(0, datetime.UTC)
        return cls((delta.days * 86400 + delta.seconds) * 10**9 + delta.microseconds * 1000)

    @classmethod
    def from_epoch_s(cls, seconds: float) -> Instant:
        return cls(int(seconds * 10**9))

    @property
    def epoch_s(self) -> float:
        return self.ns / 10**9

    @property
    def seconds_text(self) -> str:
        """Exact seconds, as the engine accepts them: a float of the current time has no nanoseconds."""
        return f"{self.ns // 10**9}.{self.ns % 10**9:09d}"

    def to_datetime(self) -> datetime.datetime:
        """An aware datetime in UTC, truncated to microseconds."""
        return datetime.datetime.fromtimestamp(self.ns // 10**9, datetime.UTC).replace(
            microsecond=self.ns % 10**9 // 1000
        )

    def seconds_since(self, earlier: Instant) -> float:
        return (self.ns - earlier.ns) / 10**9

    def plus(self, seconds: float) -> Instant:
        return Instant(self.ns + int(seconds * 10**9))

    def __str__(self) -> str:
        text = self.to_datetime().strftime("%Y-%m-%dT%H:%M:%S")
        return f"{text}.{self.ns % 10**9:09d}Z"

    @property
    def short(self) -> str:
        """For display: to the second, UTC."""
        return self.to_datetime().strftime("%Y-%m-%d %H:%M:%S UTC")
