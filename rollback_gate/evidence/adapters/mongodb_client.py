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
    host, _, port = database.address.rpartition(":")
    limit_ms = int(limit_s * 1000)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        host,
        int(port),
        username=database.user,
        password=password.get_secret_value(),
        authSource=database.auth_source,
        appname="rollback-gate",
        directConnection=True,
        serverMonitoringMode="poll",  # "stream" looks at a server that has refused us only when it next says something
        datetime_conversion="DATETIME_AUTO",  # one year out of range must not fail the whole query
        timeoutMS=limit_ms,
        serverSelectionTimeoutMS=limit_ms,
        connectTimeoutMS=limit_ms,
    )
    return MongodbDocuments(client, database, traces, limit_s)
