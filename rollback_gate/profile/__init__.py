"""The profile: the settings of one change, checked, each with its origin.

May know the words.
"""
