"""Readings of the live system: logs, documents, queue, upstream, probes; queries are separate from pure parsing.

May import words, profile, platform and change.
"""
