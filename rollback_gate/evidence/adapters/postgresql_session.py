"""One connection to PostgreSQL for a few statements, within a limit on all of it.

The server's own limits do not hold where the server hangs, and a client's stand still with it: the whole call runs
beside, and is left behind when its time is over.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Composed
from pydantic import SecretStr

from rollback_gate.errors import Unreachable
from rollback_gate.platform.deadline import within
from rollback_gate.profile.systems import PostgresqlDatabase, quoted
from rollback_gate.redaction import cut

Statement = tuple[SQL | Composed, Mapping[str, Any]]
Rows = list[tuple[Any, ...]]
_LEAST_CONNECT_S = 2  # less is not understood by libpq


@dataclass(frozen=True)
class Session:
    database: PostgresqlDatabase
    password: SecretStr
    limit_s: float

    def read(self, *statements: Statement) -> tuple[Rows, ...]:
        """The rows of each. Raises Unreachable."""
        return self._within(statements, is_read_only=True)[0]

    def remove(self, *statements: Statement) -> int:
        """All or nothing; the number of rows. Raises Unreachable."""
        return self._within(statements, is_read_only=False)[1]

    def _within(self, statements: tuple[Statement, ...], is_read_only: bool) -> tuple[tuple[Rows, ...], int]:
        database, address = self.database, self.database.address
        is_over = threading.Event()
        try:
            return within(self.limit_s, lambda: self._run(statements, is_read_only, is_over), is_over)
        except errors.LockNotAvailable as error:
            remedy = "another session holds a lock on the table: pg_stat_activity shows which"
            raise Unreachable(f"PostgreSQL at {address} cannot be asked: {_first(error)}", remedy) from error
        except (TimeoutError, errors.QueryCanceled) as error:
            says = f"PostgreSQL at {address} did not answer within limits.answer_s, {self.limit_s:g} s"
            help_ = index_advice(database) if is_read_only else "another session may hold a lock on the table"
            raise Unreachable(says, f"{help_}; or raise limits.answer_s") from error
        except errors.InsufficientPrivilege as error:
            remedy = f"grant {database.user} SELECT, and DELETE for the traces of test documents"
            raise Unreachable(f"PostgreSQL at {address} refuses: {_first(error)}", remedy) from error
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.DatatypeMismatch, errors.DataError) as error:
            remedy = "check the table and the columns: database.table, id, created_at, score and new_mark"
            raise Unreachable(f"PostgreSQL at {address} has no such documents: {_first(error)}", remedy) from error
        except psycopg.OperationalError as error:
            remedy = f"check database.address, name, user and password ({database.password_env}), and that it runs"
            raise Unreachable(f"PostgreSQL at {address} does not answer: {_first(error)}", remedy) from error
        except (psycopg.Error, OSError, ValueError) as error:
            remedy = "check [database] in the profile"
            raise Unreachable(f"PostgreSQL at {address} cannot be asked: {_first(error)}", remedy) from error

    def _run(
        self, statements: tuple[Statement, ...], is_read_only: bool, is_over: threading.Event
    ) -> tuple[tuple[Rows, ...], int]:
        host, _, port = self.database.address.rpartition(":")
        limit_ms = math.ceil(self.limit_s * 1000)
        # row_security: rows that a policy hides would be missing without a word.
        settings = {
            "statement_timeout": limit_ms,
            "lock_timeout": limit_ms,
            "default_transaction_read_only": "on" if is_read_only else "off",
            "row_security": "off",
            "TimeZone": "UTC",
        }
        with psycopg.connect(
            host=host.strip("[]"),
            hostaddr="",  # PGHOSTADDR would lead to another server
            port=int(port),
            dbname=self.database.name,
            user=self.database.user,
            password=self.password.get_secret_value(),
            connect_timeout=max(_LEAST_CONNECT_S, math.ceil(self.limit_s)),
            application_name="rollback-gate",
            client_encoding="UTF8",
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
        ) as connection:
            found: list[Rows] = []
            removed = 0
            for statement, asked in statements:
                _refuse_if(is_over)
                cursor = connection.execute(statement, asked)
                removed += cursor.rowcount
                found.append(cursor.fetchall() if is_read_only else [])
            _refuse_if(is_over)
            return tuple(found), removed


def index_advice(database: PostgresqlDatabase) -> str:
    """Advice with the statement that creates the index, while others go on writing."""
    column = quoted(database.created_at)
    return f"an index makes this fast: CREATE INDEX CONCURRENTLY ON {quoted(database.table)} ({column})"


def _refuse_if(is_over: threading.Event) -> None:
    """Raised inside the transaction, which is then rolled back: it was said that nothing was removed."""
    if is_over.is_set():
        raise TimeoutError("nobody waits for it any more")


def _first(error: BaseException) -> str:
    return cut((str(error).strip().splitlines() or [type(error).__name__])[0], 200)
