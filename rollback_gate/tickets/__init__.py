"""Trackers of tickets: each behind the same small interface (tracker.py), by its own well-kept client library.

May know the record.
"""
