"""The judge: one module per check, readings in, claims out; the manifest and the verdict. Pure.

May import everything up to the evidence, but never the actor (rollback) or the triggers.
"""
