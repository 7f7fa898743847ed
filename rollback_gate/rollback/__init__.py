"""The actor: plan, steps, journal, lock, quarantine.

May know everything up to the evidence, and never the judge (checks).
"""
