"""Ticket trackers: one small interface (tracker.py), each behind its own well-maintained client library.

May know the record.
"""
