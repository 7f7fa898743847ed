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
