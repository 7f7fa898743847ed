"""The judge: one module per check, readings in, claims out; the manifest and the verdict. Pure.

May know everything up to the evidence, and never the actor (rollback) or the triggers.
"""
