"""Hands the gate's plugin to pytest; opens nothing."""

pytest_plugins = ("rollback_gate.suite.pytest_plugin",)
