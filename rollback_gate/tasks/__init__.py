"""Invoke tasks, by what they are for: arguments in, exit status out.

Imports nothing heavy before a task runs; nobody imports it.
"""
