"""The runbook's triggers: one rule each for when to roll back, and their combined decision. Pure.

May know everything up to the evidence, and neither checks nor rollback.
"""
