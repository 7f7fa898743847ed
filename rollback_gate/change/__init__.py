"""The change: its files, what is old and new, where old comes from, and what is observed of it in a replica.

May know words, profile and platform.
"""
