"""The systems around the workers: one module per kind, each behind the small interface of its subject.

A module is loaded only where a profile names its kind, so that no client library is needed where it is not used.
"""
