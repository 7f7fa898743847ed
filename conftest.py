"""Hands the gate's plugin to pytest; opens nothing."""

pytest_plugins = ("rollback_gate.pytest_plugin",)
