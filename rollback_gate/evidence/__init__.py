"""What the live system shows: logs, documents, queue, upstream, probes; queries and pure parsing apart.

May know words, profile, platform and change.
"""
