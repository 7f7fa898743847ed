"""The client of MongoDB's driver, as this tool makes it."""

from __future__ import annotations

from typing import Any

import pymongo
from pydantic import SecretStr

from rollback_gate.evidence.adapters.documents_mongodb import MongodbDocuments
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import MongodbDatabase


def connect(
    database: MongodbDatabase, traces: tuple[Trace, ...], password: SecretStr, limit_s: float
) -> MongodbDocuments:
    """Creates the client; the first call connects."""
    client = client_of(database.address, database.user, database.auth_source, password, limit_s)
    return MongodbDocuments(client, database, traces, limit_s)


def client_of(
    address: str, user: str, auth_source: str, password: SecretStr, limit_s: float
) -> pymongo.MongoClient[dict[str, Any]]:
    host, _, port = address.rpartition(":")
    limit_ms = int(limit_s * 1000)
    return pymongo.MongoClient(
        host,
        int(port),
        username=user,
        password=password.get_secret_value(),
        authSource=auth_source,
        appname="rollback-gate",
        directConnection=True,
        serverMonitoringMode="poll",  # "stream" looks at a server that has refused us only when it next says something
        datetime_conversion="DATETIME_AUTO",  # one year out of range must not fail the whole query
        timeoutMS=limit_ms,
        serverSelectionTimeoutMS=limit_ms,
        connectTimeoutMS=limit_ms,
    )
