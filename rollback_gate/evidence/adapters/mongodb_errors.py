"""What MongoDB's driver raises, as a clear error with what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from bson.errors import BSONError
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from rollback_gate.errors import Unreachable
from rollback_gate.profile.systems import MongodbDatabase
from rollback_gate.redaction import cut

_OUT_OF_TIME = 50  # MongoDB's MaxTimeMSExpired
_MAY_NOT = 13


@contextmanager
def answering(client: pymongo.MongoClient[dict[str, Any]], database: MongodbDatabase, limit_s: float) -> Iterator[None]:
    """Around calls of the driver. Raises Unreachable for whatever it raises."""
    address = database.address
    try:
        yield
    except (PyMongoError, BSONError, ConfigurationError, OSError, ValueError) as error:
        refusal = error if isinstance(error, OperationFailure) else _refusal(client)
        if isinstance(error, PyMongoError) and _is_out_of_time(error) and (refusal is None or refusal is error):
            says = f"MongoDB at {address} did not answer within limits.answer_s, {limit_s:.0f} s"
            raise Unreachable(says, f"{index_advice(database)}, or raise limits.answer_s") from error
        if refusal is not None:
            if refusal.code == _MAY_NOT:
                remedy = f"grant {database.user} readWrite on {database.name}; is it the right user?"
                raise Unreachable(f"MongoDB at {address} refused: {_first_line(refusal)}", remedy) from error
            remedy = f"check database.user and the password ({database.password_env} or database.password_file)"
            raise Unreachable(f"MongoDB at {address} refused: {_first_line(refusal)}", remedy) from error
        raise Unreachable(
            f"MongoDB at {address} does not answer: {_first_line(error)}",
            f"check that it runs and that {address} is where it can be reached from here",
        ) from error


def _refusal(client: pymongo.MongoClient[dict[str, Any]]) -> OperationFailure | None:
    """The refused login, if any: after one, the driver reports the server as unknown and the next call times out."""
    errors = (server.error for server in client.topology_description.server_descriptions().values())
    return next((one for one in errors if isinstance(one, OperationFailure)), None)


def _is_out_of_time(error: PyMongoError) -> bool:
    if isinstance(error, OperationFailure):
        return error.timeout or error.code == _OUT_OF_TIME
    return error.timeout and not isinstance(error, ServerSelectionTimeoutError)


def index_advice(database: MongodbDatabase) -> str:
    """Advice with the mongosh command that creates the index."""
    return f"an index makes this fast: db.{database.collection}.createIndex({{{database.created_at}: 1}})"


def _first_line(error: BaseException) -> str:
    return cut(str(error).split(", full error")[0].split(", Timeout:")[0], 200)
