"""The actor: plan, steps, journal, lock, quarantine.

May import everything up to the evidence, but never the judge (checks).
"""
