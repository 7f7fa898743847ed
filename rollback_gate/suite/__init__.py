"""The pytest process that judges: what it is asked, how it is run, its plugin.

May know everything up to the record; the workflow calls it.
"""
