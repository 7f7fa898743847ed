"""The record: the HTML report and its machine-readable twin."""
