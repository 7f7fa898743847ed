"""Invoke tasks, grouped by purpose: arguments in, exit status out.

Imports nothing heavy before a task runs. No other package imports it.
"""
