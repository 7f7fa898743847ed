"""The pytest process that judges: its request, how it is run, its plugin.

May know everything up to the record; the workflow calls it.
"""
