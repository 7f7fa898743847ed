"""The runbook's triggers: when to roll back, one rule each, and what they decide together."""
