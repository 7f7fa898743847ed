"""Several processes share the tests (`invoke test`): those that share a lab stay together."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is. The same examples everywhere: what a change broke shows at once,
# and nothing else does; --hypothesis-profile=default looks for new ones.
hypothesis.settings.register_profile("rollback-gate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("rollback-gate")

# xdist's own groups (--dist loadgroup) do nothing with pytest 9.2: it no longer sees the names that they change.
# A module of end-to-end tests shares one lab unless it is named here: a forgotten name costs time, not a test run.
LAB_PER_TEST = {"test_failed_rollback", "test_snapshot"}
LAB_BY_PARAMETER = {"test_main_job", "test_procedures", "test_crash_matrix"}


def shares_a_lab(nodeid: str) -> str:
    """Name of the group of tests that must run in one process, one after the other."""
    path, _, name = nodeid.partition("::")
    module = path.rpartition("/")[2].removesuffix(".py")
    if "tests/e2e/" not in path or module in LAB_PER_TEST:
        return nodeid
    return f"{module}[{name.partition('[')[2]}" if module in LAB_BY_PARAMETER else module


class ByLab(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return shares_a_lab(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByLab:
    return ByLab(config, log)
