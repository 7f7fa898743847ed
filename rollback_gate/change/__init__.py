"""The change: its files, what is old and new, where old code comes from, and how a replica holds it.

May import words, profile and platform.
"""
