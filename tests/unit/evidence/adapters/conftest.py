"""Servers that take long to start are shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.evidence.adapters import servers
from tests.unit.evidence.adapters.servers import Rabbit


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    with servers.a_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as made:
        yield made


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.a_mongod(tmp_path_factory.mktemp("mongodb")) as address:
        yield address


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with servers.a_postgresql() as address:
        yield address
