"""A plugin for a collection of tests/gate without a deployment: one slot, fixtures never asked."""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in ("replica", "consumer"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, ["one"])
