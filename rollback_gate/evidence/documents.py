"""The stored documents of a deployment. Chooses the adapter of its database's kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from rollback_gate.change.reading import Baseline
from rollback_gate.evidence.adapters.documents_command import CommandDocuments
from rollback_gate.evidence.adapters.extras import needing
from rollback_gate.evidence.readings import DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.live import Trace
from rollback_gate.profile.load import database_password
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.systems import CommandDatabase, MongodbDatabase, PostgresqlDatabase


class Documents(Protocol):
    """One deployment's documents, with a time limit (limits.answer_s) on every call."""

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        """Documents created at or after the boundary, newest first. Never raises.

        `until`: later creation times are impossible, and are not believed.
        """

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        """The score over time, without probes; aggregated by the server, for any number of documents. Never raises."""

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        """The stored ones of these documents, by id. Raises Unreachable."""

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        """Removes traces of probes, by the ids of their documents and jobs; returns the count. Raises Unreachable.

        `keep_marked_since`: documents with the change's mark that are not older are evidence, and are kept. With
        nothing to remove it shows that this user may remove.
        """

    def remove_lost_traces(self, now: Instant, keep_marked_since: Instant | None) -> int:
        """Removes traces of forgotten probes: ids in the gate's format, at least one hour old. Returns the count.

        A document's id alone is no proof of its origin: it must also name one of the gate's jobs.
        `keep_marked_since` as above. Raises Unreachable.
        """

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        """The score before the change, from unmarked documents with one in the `span_s` seconds before `until`.

        Ends at the first marked document if that is earlier than `until`. None for fewer than two documents.
        """

    def ping(self) -> None:
        """Checks that the database answers, and that the user may read the documents. Raises Unreachable."""

    def close(self) -> None: ...


def connect(profile: Profile, environ: Mapping[str, str]) -> Documents | Unmeasured:
    """Creates the client; the first call connects. Unmeasured for a profile without a database.

    Raises WrongSetting for a missing password or client library. `environ`: what a command may have of it is chosen by
    database.variables.
    """
    if profile.database is None:
        return Unmeasured("the database", "the profile has no section [database]")
    traces = profile.probe.traces if profile.probe else ()
    return connect_to(profile.database, traces, environ, profile.limits.answer_s)


def connect_to(
    section: MongodbDatabase | PostgresqlDatabase | CommandDatabase,
    traces: tuple[Trace, ...],
    environ: Mapping[str, str],
    limit_s: float,
) -> Documents:
    """The same for one section. `traces`: where probes leave data."""
    match section:
        case MongodbDatabase() as database:
            from rollback_gate.evidence.adapters import mongodb_client

            return mongodb_client.connect(database, traces, database_password(database, environ), limit_s)
        case PostgresqlDatabase() as database:
            with needing("postgresql", "database.kind"):
                from rollback_gate.evidence.adapters.documents_postgresql import PostgresqlDocuments
            return PostgresqlDocuments(database, traces, database_password(database, environ), limit_s)
        case database:
            return CommandDocuments(database, limit_s, SubprocessRunner(allowed(environ, database.variables)))
