"""Documents that a command of the team's own reads and removes.

It gets one JSON object on its standard input, and prints one: docs/profile.md has all of them.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import CommandFailed, Unreachable
from rollback_gate.evidence.adapters import computed
from rollback_gate.evidence.dated import MOST, dated, repeated
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.systems import CommandDatabase
from rollback_gate.redaction import cut

M = TypeVar("M", bound=BaseModel)


class _Row(BaseModel):
    """One document. `created_at` with its zone; `marked`: it carries what only the new code writes."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str
    created_at: AwareDatetime | None = Field(strict=False)
    score: float | None
    marked: bool


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    documents: list[_Row]


class _Removed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    removed: int = Field(ge=0)


@dataclass(frozen=True)
class CommandDocuments:
    database: CommandDatabase
    limit_s: float
    runner: Runner

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        try:
            rows = self._rows(ask="since", since=str(boundary), limit=MOST + 1)
        except Unreachable as error:
            return Unmeasured("documents since the boundary", f"{error.message}; {error.remedy}")
        if twice := repeated(rows):
            return Unmeasured("documents since the boundary", f"{self.database.says} tells {twice} more than once")
        found = sorted(rows[:MOST], key=lambda one: one.created_at or boundary, reverse=True)
        timed = [one for one in found if one.created_at is not None and one.created_at >= boundary]
        known, ahead = dated(timed, until)
        timeless = tuple(one.id for one in found if one.created_at is None and one.marked)
        return DocumentsReading(
            boundary, known, len(rows) > MOST, untimed=(*timeless, *ahead), ahead=len(timed) - len(known)
        )

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        found = self._whole("completeness", since)
        return found if isinstance(found, Unmeasured) else computed.series(found, since, bucket_s)

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        wanted = sorted(ids)
        rows = self._rows(ask="by_id", ids=wanted)
        return {one.id: one for one in rows if one.id in wanted}

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        named = sorted(name for name in ids if name.startswith(PROBE_PREFIX))
        if keep_marked_since and named:
            stored = self.by_id(named)
            named = [name for name in named if name not in stored or not _is_kept(stored[name], keep_marked_since)]
        return self._asked(_Removed, ask="remove", ids=named).removed if named else 0

    def remove_lost_traces(self, _now: Instant, _keep_marked_since: Instant | None) -> int:
        """None: a command is asked only for what is remembered."""
        return 0

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        found = self._whole("what was normal before the change", until.plus(-span_s))
        return found if isinstance(found, Unmeasured) else computed.normal_before(found, until)

    def _whole(self, what: str, since: Instant) -> DocumentsReading | Unmeasured:
        found = self.since(since)
        is_cut = isinstance(found, DocumentsReading) and found.truncated
        return Unmeasured(what, f"there are more than {MOST} documents") if is_cut else found

    def ping(self) -> None:
        self.by_id([])

    def close(self) -> None:
        """Each call has ended its command."""

    def _rows(self, **question: Any) -> list[DocumentReading]:
        return [_document(row) for row in self._asked(_Rows, **question).documents]

    def _asked(self, wanted: type[M], **question: Any) -> M:
        """Raises Unreachable."""
        command = shlex.join(self.database.command)
        try:
            text = f"{json.dumps(question)}\n"
            return wanted.model_validate_json(
                self.runner(self.database.command, timeout_s=self.limit_s, text=text).stdout
            )
        except CommandFailed as error:
            said = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
            raise Unreachable(f"`{command}` {error.status}: {said}", "check database.command") from error
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            says = f"`{command}` answered {question['ask']} otherwise than it should: {wrong}"
            raise Unreachable(says, "docs/profile.md has what a command answers") from error


def _document(row: _Row) -> DocumentReading:
    is_number = row.score is not None and math.isfinite(row.score)
    at: datetime | None = row.created_at
    return DocumentReading(
        id=row.id,
        created_at=Instant.from_datetime(at) if at else None,
        score=row.score if is_number else None,
        marked=row.marked,
        is_probe=row.id.startswith(PROBE_PREFIX),
        odd_score="" if is_number or row.score is None else str(row.score),
    )


def _is_kept(document: DocumentReading, since: Instant) -> bool:
    return document.marked and document.created_at is not None and document.created_at >= since
