"""Several processes share the tests (`invoke test`): those that share a lab stay together."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("rollback-gate", deadline=None)
hypothesis.settings.load_profile("rollback-gate")

# xdist's own groups (--dist loadgroup) do nothing with pytest 9.2: it no longer sees the names that they change.
ONE_LAB = {"test_bad_input", "test_gate", "test_record", "test_assess", "test_browser", "test_redeployment"}
LAB_BY_PARAMETER = {"test_main_job", "test_procedures", "test_crash_matrix"}


class ByLab(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        path, _, name = nodeid.partition("::")
        module = path.rpartition("/")[2].removesuffix(".py")
        if "tests/e2e/" in path and module in ONE_LAB:
            return module
        if "tests/e2e/" in path and module in LAB_BY_PARAMETER:
            return f"{module}[{name.partition('[')[2]}"
        return nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByLab:
    return ByLab(config, log)
