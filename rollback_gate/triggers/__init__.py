"""The runbook's triggers: when to roll back, one rule each, and what they decide together. Pure.

May know everything up to the evidence, and neither checks nor rollback.
"""
