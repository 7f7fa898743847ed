"""One table for all kinds of database, on real servers: the same documents give the same readings."""

from __future__ import annotations

import datetime
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pymongo
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters import mongodb_client
from rollback_gate.evidence.adapters.documents_command import CommandDocuments
from rollback_gate.evidence.adapters.documents_postgresql import PostgresqlDocuments
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.readings import DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import CommandDatabase, MongodbDatabase, PostgresqlDatabase
from tests.unit.evidence.adapters import servers

_PATIENT_S = 20  # a busy machine is no broken server
NOW = Instant.parse("2026-11-26T12:00:00Z")
PROBE, JOB = "rollback-probe-20261126T090000Z-abcd-1.jpg", "rollback-probe-job-20261126T090000Z-abcd"
TRACES = (Trace(collection="documents", field="id", job_field="job"), Trace(collection="jobs", field="id"))
NOT_THERE = object()


class Store(Protocol):
    """`tells_shapes`: values of another shape than expected are told apart from absent ones; a command cannot."""

    tells_shapes: bool

    def insert(self, name: str, age_s: float | None, data: dict[str, Any], job: str = "") -> None: ...
    def documents(
        self, password: str = "secret", limit_s: float = _PATIENT_S, address: str = "", **keys: Any
    ) -> Documents: ...
    def names(self) -> set[str]: ...
    def close(self) -> None: ...


@dataclass
class InMongodb:
    address: str
    name: str
    tells_shapes: bool = True

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            host, int(port), username="gate", password="secret"
        )
        self.database = client[self.name]
        self.opened: list[Any] = [client]

    def insert(self, name: str, age_s: float | None, data: dict[str, Any], job: str = "") -> None:
        row = {"_id": name, "id": name, "data": data, "job": job}
        self.database.documents.insert_one(
            row | ({} if age_s is None else {"created_at": NOW.plus(-age_s).to_datetime()})
        )

    def documents(
        self, password: str = "secret", limit_s: float = _PATIENT_S, address: str = "", **keys: Any
    ) -> Documents:
        section = MongodbDatabase(
            kind="mongodb",
            address=address or self.address,
            name=self.name,
            **{
                "user": "gate",
                "collection": "documents",
                "score": "data.quality.score",
                "new_mark": "data.made.by",
                **keys,
            },
        )
        made = mongodb_client.connect(section, TRACES, SecretStr(password), limit_s)
        self.opened.append(made)
        return made

    def close(self) -> None:
        for one in self.opened:
            one.close()

    def names(self) -> set[str]:
        return {str(row["_id"]) for row in self.database.documents.find()}


@dataclass
class InPostgresql:
    address: str
    name: str
    tells_shapes: bool = True

    def __post_init__(self) -> None:
        servers.in_postgresql(
            self.address,
            f"CREATE SCHEMA {self.name}",
            f"CREATE TABLE {self.name}.documents (id text primary key, created_at timestamp, data jsonb, job text)",
            f"CREATE TABLE {self.name}.jobs (id text primary key)",
        )

    def insert(self, name: str, age_s: float | None, data: dict[str, Any], job: str = "") -> None:
        at = None if age_s is None else NOW.plus(-age_s).to_datetime().replace(tzinfo=None)
        with self._connected() as connection:
            rows = (name, at, Jsonb(_without_nan(data)), job)
            connection.execute(f"INSERT INTO {self.name}.documents VALUES (%s, %s, %s, %s)".encode(), rows)

    def insert_columns(self, name: str, age_s: float) -> None:
        """As old code does, which knows no other column."""
        servers.in_postgresql(
            self.address,
            f"INSERT INTO {self.name}.documents (id, created_at, data) VALUES ('{name}', '{NOW.plus(-age_s)}', '{{}}')",
        )

    def documents(
        self, password: str = "secret", limit_s: float = _PATIENT_S, address: str = "", **keys: Any
    ) -> Documents:
        table = f"{self.name}.documents"
        section = PostgresqlDatabase(
            kind="postgresql",
            address=address or self.address,
            name="postgres",
            **{"user": "gate", "table": table, "score": "data.quality.score", "new_mark": "data.made.by", **keys},
        )
        traces = tuple(one.model_copy(update={"collection": f"{self.name}.{one.collection}"}) for one in TRACES)
        return PostgresqlDocuments(section, traces, SecretStr(password), limit_s)

    def names(self) -> set[str]:
        with self._connected() as connection:
            return {row[0] for row in connection.execute(f"SELECT id FROM {self.name}.documents".encode())}

    def close(self) -> None:
        """Each call has closed its own connection."""

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        host, _, port = self.address.rpartition(":")
        return psycopg.connect(host=host, port=int(port), user="gate", password="secret", dbname="postgres")


def _without_nan(data: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: the nearest that is no number is a text."""
    table: dict[str, Any] = json.loads(json.dumps(data).replace("NaN", '"NaN"'))
    return table


# What a team would write: it answers from a file, which is the whole store.
SCRIPT = """
import json, sys
path, question = sys.argv[1], json.load(sys.stdin)
rows = json.load(open(path))
def shown(row):
    made = row["data"].get("made")
    score = (row["data"].get("quality") or {}).get("score")
    is_number = type(score) in (int, float) and score == score
    return {"id": row["id"], "created_at": row["created_at"], "score": score if is_number else None,
            "marked": isinstance(made, dict) and "by" in made}
if question["ask"] == "since":
    found = [row for row in rows if row["created_at"] is None or row["created_at"] >= question["since"]]
    found.sort(key=lambda row: row["created_at"] or "", reverse=True)
    print(json.dumps({"documents": [shown(row) for row in found[:question["limit"]]]}))
elif question["ask"] == "by_id":
    print(json.dumps({"documents": [shown(row) for row in rows if row["id"] in question["ids"]]}))
else:
    left = [row for row in rows if row["id"] not in question["ids"]]
    json.dump(left, open(path, "w"))
    print(json.dumps({"removed": len(rows) - len(left)}))
"""


@dataclass
class ByCommand:
    path: str
    name: str
    tells_shapes: bool = False

    def __post_init__(self) -> None:
        Path(self.path).write_text("[]")

    def insert(self, name: str, age_s: float | None, data: dict[str, Any], job: str = "") -> None:
        rows = json.loads(Path(self.path).read_text())
        at = None if age_s is None else str(NOW.plus(-age_s))
        rows.append({"id": name, "created_at": at, "data": data, "job": job})
        Path(self.path).write_text(json.dumps(rows))

    def documents(self, password: str = "", limit_s: float = _PATIENT_S, address: str = "", **keys: Any) -> Documents:
        command = keys.get("command", (sys.executable, "-c", SCRIPT, self.path))
        section = CommandDatabase(kind="command", command=command)
        return CommandDocuments(section, limit_s, SubprocessRunner(allowed({"PASSWORD": password, "AT": address})))

    def names(self) -> set[str]:
        return {row["id"] for row in json.loads(Path(self.path).read_text())}

    def close(self) -> None:
        """Each call has ended its command."""


MAKERS: dict[str, Callable[[str, str], Store]] = {
    "mongodb": InMongodb,
    "postgresql": InPostgresql,
    "command": ByCommand,
}


@pytest.fixture
def kept_in(tmp_path: Path) -> str:
    return str(tmp_path / "documents.json")


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Of its own."""
    yield from made(request, request.param)


@pytest.fixture(params=["mongodb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Store]:
    """In a real server."""
    yield from made(request, request.param)


def made(request: pytest.FixtureRequest, kind: str) -> Iterator[Store]:
    address = request.getfixturevalue({"mongodb": "mongod", "command": "kept_in"}.get(kind, kind))
    name = f"of_{abs(hash(request.node.name)) % 10**8}"
    store = MAKERS[kind](address, name)
    yield store
    store.close()


def with_score(score: Any) -> dict[str, Any]:
    return {"quality": {} if score is NOT_THERE else {"score": score}, "made": {}}


def since(store: Store, age_s: float = 1000, until: Instant | None = NOW) -> DocumentsReading:
    found = store.documents().since(NOW.plus(-age_s), until)
    assert isinstance(found, DocumentsReading), found
    return found


def test_documents_since_the_boundary_newest_first(store: Store) -> None:
    for name, age_s in (("first.jpg", 300), ("last.jpg", 100), ("before.jpg", 2000)):
        store.insert(name, age_s, with_score(0.278))
    first, second = since(store).documents
    assert [(one.id, one.score, one.marked) for one in (first, second)] == [
        ("last.jpg", 0.278, False),
        ("first.jpg", 0.278, False),
    ]
    assert first.created_at == NOW.plus(-100)
    assert not first.could_be_marked and not first.odd_score
    assert not since(store).truncated and not since(store).untimed


def test_nothing_stored_is_nothing(store: Store) -> None:
    assert since(store).documents == ()
    assert store.documents().by_id(["gone.jpg"]) == {}


@pytest.mark.parametrize(
    ("data", "marked", "unclear"),
    [
        ({"made": {"by": "new"}}, True, False),
        ({"made": {"by": None}}, True, False),
        ({"made": {}}, False, False),
        ({"made": None}, False, False),
        ({}, False, False),
        ({"made": "text"}, False, True),
        ({"made": 7}, False, True),
        ({"made": ["text"]}, False, True),
    ],
)
def test_the_mark_is_there_is_not_or_could_not_be_searched(
    store: Store, data: dict[str, Any], marked: bool, unclear: bool
) -> None:
    store.insert("a.jpg", 100, {"quality": {"score": 0.3}, **data})
    (one,) = since(store).documents
    assert (one.marked, one.could_be_marked) == (marked, unclear and store.tells_shapes)
    assert store.documents().by_id(["a.jpg"]) == {"a.jpg": one}


@pytest.mark.parametrize(
    ("score", "read", "is_odd"),
    [
        (0.5, 0.5, False),
        (0, 0.0, False),
        (27.8, 27.8, False),
        (None, None, False),
        (NOT_THERE, None, False),
        ("0.5", None, True),
        (True, None, True),
        (math.nan, None, True),
        ([0.5], None, True),
    ],
)
def test_a_score_is_a_finite_number_or_none(store: Store, score: Any, read: float | None, is_odd: bool) -> None:
    store.insert("a.jpg", 100, with_score(score))
    (one,) = since(store).documents
    assert (one.score, bool(one.odd_score)) == (read, is_odd and store.tells_shapes)


def test_a_time_that_cannot_be_counts_only_with_a_mark(store: Store) -> None:
    """No time, or one to come: when it was written is unknown, and the mark must not be lost."""
    for name, age_s, data in (
        ("plain.jpg", None, {}),
        ("marked.jpg", None, {"made": {"by": "new"}}),
        ("unclear.jpg", None, {"made": "text"}),
        ("ahead.jpg", -5000, {"made": {"by": "new"}}),
        ("ahead-plain.jpg", -5000, {}),
    ):
        store.insert(name, age_s, data)
    found = since(store)
    assert {"marked.jpg", "ahead.jpg"} <= set(found.untimed)
    assert ("unclear.jpg" in found.untimed) is store.tells_shapes
    assert "ahead-plain.jpg" not in found.untimed and not found.documents
    assert found.ahead == 2
    assert "2 documents have a time to come" in found.left_out
    assert not since(store, until=None).left_out


def test_probes_are_told_and_removed_and_nothing_else_is(store: Store) -> None:
    documents = store.documents()
    for name, job in ((PROBE, JOB), ("letter.jpg", JOB), (f"{PROBE}x", "")):
        store.insert(name, 100, with_score(0.278), job)
    assert {one.id for one in since(store).documents if one.is_probe} == {PROBE, f"{PROBE}x"}
    assert documents.remove_traces([], None) == 0
    assert documents.remove_traces(["letter.jpg", PROBE, JOB], None) == 1, "only what is named like a probe"
    assert store.names() == {"letter.jpg", f"{PROBE}x"}


def test_a_probe_with_the_mark_is_evidence_and_stays(store: Store) -> None:
    for name, age_s in ((PROBE, 100), (PROBE.replace("-1.", "-2."), 5000)):
        store.insert(name, age_s, {"made": {"by": "new"}}, JOB)
    ids = [PROBE, PROBE.replace("-1.", "-2.")]
    assert store.documents().remove_traces(ids, NOW.plus(-1000)) == 1
    assert store.names() == {PROBE}
    assert store.documents().remove_lost_traces(NOW, NOW.plus(-1000)) == 0
    assert store.documents().remove_traces(ids, None) == 1


def test_lost_probes_are_those_of_the_gate_and_an_hour_old(server: Store) -> None:
    """By both ids: a document of that name could be anybody's."""
    young = "rollback-probe-20261126T113000Z-abcd-1.jpg"
    for name, job in (
        (PROBE, JOB),
        (young, "rollback-probe-job-20261126T113000Z-abcd"),
        ("rollback-probe-20261126T090000Z-beef-1.jpg", "somebody's"),
        ("rollback-probe-notes.jpg", JOB),
    ):
        server.insert(name, 100, {}, job)
    assert server.documents().remove_lost_traces(NOW, None) == 1
    assert server.names() == {young, "rollback-probe-20261126T090000Z-beef-1.jpg", "rollback-probe-notes.jpg"}


def test_the_score_over_time_is_counted_by_the_server(store: Store) -> None:
    """Probes left out; what is no share is in no mean, and counted."""
    for number, (age_s, score) in enumerate(((95, 0.2), (94, 0.4), (93, 27.8), (35, 0.6), (34, "text"), (33, None))):
        store.insert(f"{number}.jpg", age_s, with_score(score))
    store.insert(PROBE, 90, with_score(0.9))
    series = store.documents().series(NOW.plus(-100), 50)
    assert isinstance(series, Series)
    first, second = series.buckets
    assert (first.start, first.documents, first.scored) == (NOW.plus(-100), 3, 2)
    assert first.mean == pytest.approx(0.3)
    assert first.deviation == pytest.approx(math.sqrt(0.02))
    assert (second.start, second.documents, second.scored, second.deviation) == (NOW.plus(-50), 3, 1, 0)
    assert (series.outside, series.unscored) == (1, 2)


def test_what_was_normal_ends_at_the_first_mark(store: Store) -> None:
    """Unmarked shares of the team's own documents, from before the change."""
    assert store.documents().normal_before(NOW, 10_000) is None
    for number, (age_s, score) in enumerate(((900, 0.2), (800, 0.4), (700, 27.8), (100, 0.9))):
        store.insert(f"{number}.jpg", age_s, with_score(score))
    store.insert(PROBE, 600, with_score(0.9))
    store.insert("marked.jpg", 500, {"made": {"by": "new"}, "quality": {"score": 0.6}})
    found = store.documents().normal_before(NOW, 10_000)
    assert isinstance(found, Baseline)
    assert found.documents == 2
    assert found.mean == pytest.approx(0.3)
    assert found.standard_deviation == pytest.approx(math.sqrt(0.02))
    assert found.at == f"{NOW.plus(-900).short} to {NOW.plus(-800).short}"


# --- what is not right


def test_a_wrong_password_is_refused(server: Store) -> None:
    documents = server.documents(password="wrong")
    assert_nothing_passes(documents, "authentication", "password")


@pytest.mark.parametrize(
    "listener", [servers.closed, servers.silent, lambda: servers.saying(b"HTTP/1.1 400 Bad\r\n\r\n")]
)
def test_what_does_not_answer_is_unreachable(
    server: Store, listener: Callable[[], AbstractContextManager[str]]
) -> None:
    """No listener, no answer, and an answer of something else."""
    with listener() as address:
        assert_nothing_passes(server.documents(address=address, limit_s=0.7), address)


def assert_nothing_passes(documents: Documents, *words: str) -> None:
    """Every call says so, and none gives an empty result."""
    for reading in (
        documents.since(NOW.plus(-100)),
        documents.series(NOW.plus(-100), 50),
        documents.normal_before(NOW, 1000),
    ):
        assert isinstance(reading, Unmeasured)
        assert any(word in reading.reason.lower() for word in words), reading
    for call in (
        documents.ping,
        lambda: documents.by_id(["a.jpg"]),
        lambda: documents.remove_traces([PROBE], None),
        lambda: documents.remove_lost_traces(NOW, None),
    ):
        with pytest.raises(Unreachable) as caught:
            call()
        assert caught.value.remedy
    documents.close()


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("raise SystemExit('401: who are you?')", "401: who are you?"),
        ("import time; time.sleep(60)", "did not end within"),
        ("pass", "otherwise than it should"),
        ("print('[]')", "otherwise than it should"),
        ('print(\'{"documents": [{"id": 7, "created_at": null, "score": null, "marked": false}]}\')', "documents.0.id"),
        (
            'print(\'{"documents": [{"id": "a", "created_at": "2026-11-26T12:00:00", "score": 1, "marked": false}]}\')',
            "created_at",
        ),
        ('print(\'{"documents": [{"id": "a", "created_at": null, "score": 0.5}]}\')', "marked"),
    ],
)
def test_a_command_that_answers_otherwise_is_unmeasured(kept_in: str, script: str, word: str) -> None:
    """Refused, too slow, nothing, no object, an id that is no text, a time without its zone, no word of the mark."""
    documents = ByCommand(kept_in, "").documents(limit_s=0.7, command=(sys.executable, "-c", script))
    for reading in (documents.since(NOW), documents.series(NOW, 50), documents.normal_before(NOW, 10)):
        assert isinstance(reading, Unmeasured)
        assert word in reading.reason
    for call in (documents.ping, lambda: documents.remove_traces([PROBE], None)):
        with pytest.raises(Unreachable):
            call()


# --- of PostgreSQL alone


@pytest.fixture
def table(postgresql: str, request: pytest.FixtureRequest) -> InPostgresql:
    return InPostgresql(postgresql, f"own_{abs(hash(request.node.name)) % 10**8}")


@pytest.mark.parametrize(
    "keys", [{"table": "nowhere"}, {"score": "points"}, {"new_mark": "documents"}, {"created_at": "at"}, {"id": "name"}]
)
def test_a_table_or_a_column_that_is_not_there_is_named(table: InPostgresql, keys: dict[str, Any]) -> None:
    """A column of the table's own name would be the whole row, and so always there."""
    with pytest.raises(Unreachable, match=next(iter(keys.values()))):
        table.documents(**keys).ping()


def test_a_database_that_may_not_be_written_to_says_so_before_a_probe_is_sent(table: InPostgresql) -> None:
    servers.in_postgresql(
        table.address,
        f"CREATE ROLE reader_{table.name} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA {table.name} TO reader_{table.name}",
        f"GRANT SELECT ON {table.name}.documents TO reader_{table.name}",
    )
    documents = table.documents(user=f"reader_{table.name}")
    documents.ping()
    assert isinstance(documents.since(NOW), DocumentsReading)
    with pytest.raises(Unreachable, match="refuses"):
        documents.remove_traces([PROBE], None)


def test_plain_columns_of_any_type_of_number(table: InPostgresql) -> None:
    """An endless time, NaN and an absent mark, in columns of their own, with whole numbers as ids."""
    servers.in_postgresql(
        table.address,
        f"CREATE TABLE {table.name}.thumbs (id int, created_at timestamptz, score float8, made_by text)",
        f"INSERT INTO {table.name}.thumbs VALUES (1, '{NOW.plus(-10)}', 0.5, NULL), (2, '{NOW.plus(-20)}', 'NaN', NULL),"
        f" (3, '{NOW.plus(-30)}', NULL, 'new'), (4, 'infinity', 0.5, 'new'), (5, 'infinity', 0.5, NULL)",
    )
    documents = table.documents(table=f"{table.name}.thumbs", score="score", new_mark="made_by")
    documents.ping()
    found = documents.since(NOW.plus(-100), NOW)
    assert isinstance(found, DocumentsReading)
    assert [(one.id, one.score, one.odd_score, one.marked) for one in found.documents] == [
        ("1", 0.5, "", False),
        ("2", None, "NaN", False),
        ("3", None, "", True),
    ]
    assert found.untimed == ("4",)
    assert documents.by_id(["1", "x"]).keys() == {"1"}
    series = documents.series(NOW.plus(-100), 100)
    assert isinstance(series, Series)
    assert (series.documents, series.buckets[0].scored) == (3, 1)


def test_a_lock_that_somebody_holds_is_waited_for_no_longer_than_allowed(table: InPostgresql) -> None:
    with table._connected() as connection:
        connection.execute(f"LOCK TABLE {table.name}.documents".encode())
        found = table.documents(limit_s=0.5).since(NOW)
    assert isinstance(found, Unmeasured)
    assert "within limits.answer_s, 0.5 s" in found.reason or "lock timeout" in found.reason


def test_rows_that_a_policy_hides_are_not_missing_without_a_word(table: InPostgresql) -> None:
    table.insert("a.jpg", 10, with_score(0.3))
    role = f"limited_{table.name}"
    servers.in_postgresql(
        table.address,
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA {table.name} TO {role}",
        f"GRANT SELECT ON {table.name}.documents TO {role}",
        f"ALTER TABLE {table.name}.documents ENABLE ROW LEVEL SECURITY",
    )
    found = table.documents(user=role).since(NOW.plus(-100), NOW)
    assert isinstance(found, Unmeasured), found
    assert "row-level security" in found.reason


def test_a_large_table_without_an_index_is_told_of(table: InPostgresql) -> None:
    name, documents = f"{table.name}.documents", table.documents()
    servers.in_postgresql(
        table.address,
        f"INSERT INTO {name} SELECT n::text, '2020-01-01', '{{}}' FROM generate_series(1, 60000) n",
        f"ANALYZE {name}",
    )
    found = documents.since(NOW)
    assert isinstance(found, DocumentsReading)
    assert f"CREATE INDEX CONCURRENTLY ON {name} (created_at)" in found.advice
    servers.in_postgresql(table.address, f"CREATE INDEX ON {name} (created_at)")
    again = documents.since(NOW)
    assert isinstance(again, DocumentsReading)
    assert not again.advice


def test_times_are_utc_whatever_the_server_thinks(table: InPostgresql) -> None:
    servers.in_postgresql(table.address, "ALTER ROLE gate SET timezone = 'Asia/Kolkata'")
    table.insert("a.jpg", 10, with_score(0.3))
    (one,) = since(table).documents
    assert one.created_at == NOW.plus(-10)
    assert isinstance(one.created_at.to_datetime(), datetime.datetime)


def test_a_marked_row_stays_whatever_the_table_is_called(table: InPostgresql) -> None:
    """A view to read from and a table to remove from; or the same table by another spelling."""
    table.insert(PROBE, 10, {"made": {"by": "new"}}, JOB)
    servers.in_postgresql(table.address, f"CREATE VIEW {table.name}.seen AS SELECT * FROM {table.name}.documents")
    documents = table.documents(table=f"{table.name}.seen")
    assert documents.remove_traces([PROBE], NOW.plus(-1000)) == 0
    assert documents.remove_traces([PROBE], None) == 1


def test_what_is_said_not_to_be_removed_is_not_removed_later(table: InPostgresql) -> None:
    """A lock holds the removal up; when it is gone, nobody waits any more."""
    table.insert(PROBE, 10, {}, JOB)
    with table._connected() as connection:
        connection.execute(f"LOCK TABLE {table.name}.jobs".encode())
        with pytest.raises(Unreachable):
            table.documents(limit_s=0.5).remove_traces([PROBE], None)
    assert table.names() == {PROBE}


@pytest.mark.parametrize("column", ["degraded boolean NOT NULL DEFAULT false", "degraded boolean DEFAULT false"])
def test_a_column_that_every_row_fills_is_no_mark(table: InPostgresql, column: str) -> None:
    """The migration of the change has given it to the rows of old code, too."""
    servers.in_postgresql(table.address, f"ALTER TABLE {table.name}.documents ADD COLUMN {column}")
    table.insert_columns("a.jpg", 10)
    documents = table.documents(new_mark="degraded")
    with pytest.raises(Unreachable, match="it is no mark"):
        documents.ping()
    assert isinstance(documents.since(NOW.plus(-100), NOW), Unmeasured)


def test_a_view_that_tells_a_document_twice_counts_none(table: InPostgresql) -> None:
    table.insert("a.jpg", 10, with_score(0.3))
    view = f"CREATE VIEW {table.name}.joined AS SELECT d.* FROM {table.name}.documents d, generate_series(1, 12)"
    servers.in_postgresql(table.address, view)
    found = table.documents(table=f"{table.name}.joined").since(NOW.plus(-100), NOW)
    assert isinstance(found, Unmeasured)
    assert "a.jpg more than once" in found.reason


def test_ids_of_other_types_and_none(table: InPostgresql) -> None:
    """Found in their own type, by what a log shows; one without an id is no crash."""
    uuid = "0b5c9b8e-7d1f-4f0e-9d2a-0a1b2c3d4e5f"
    for kind, stored, asked in (("bigint", "7", ["7", "a.jpg", uuid]), ("uuid", f"'{uuid}'", [uuid, "7", "a.jpg"])):
        name = f"{table.name}.of_{kind}"
        servers.in_postgresql(
            table.address,
            f"CREATE TABLE {name} (id {kind}, created_at timestamptz, data jsonb)",
            f"INSERT INTO {name} VALUES ({stored}, '{NOW.plus(-10)}', '{{}}'), (NULL, '{NOW.plus(-20)}', '{{}}')",
        )
        documents = table.documents(table=name)
        assert list(documents.by_id(asked)) == [asked[0]]
        assert documents.by_id(["nothing like it"]) == {}
        found = documents.since(NOW.plus(-100), NOW)
        assert isinstance(found, DocumentsReading)
        assert [one.id for one in found.documents] == [asked[0], "(without an id)"]


def test_names_with_upper_case_are_taken_as_they_are(table: InPostgresql) -> None:
    name = f"{table.name}.Docs"
    servers.in_postgresql(
        table.address, f'CREATE TABLE {table.name}."Docs" (id text, "createdAt" timestamptz, share numeric, by text)'
    )
    documents = table.documents(table=name, created_at="createdAt", score="share", new_mark="by")
    documents.ping()
    assert "from " + f'{table.name}."Docs" where "createdAt"' in documents.database.by_hand("now")  # type: ignore[attr-defined]


def test_the_environment_leads_to_no_other_server(table: InPostgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    port = table.address.rpartition(":")[2]
    with pytest.raises(Unreachable):
        table.documents(address=f"nowhere.invalid:{port}", limit_s=2).ping()
