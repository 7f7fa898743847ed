"""The record: the HTML report and its machine-readable twin.

May know checks, triggers and rollback, and what they stand on.
"""
