"""The profile: what is particular to one change, as checked settings with their origin.

May know the words.
"""
