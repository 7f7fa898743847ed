"""The actor: plan, steps, sources, journal, lock."""
