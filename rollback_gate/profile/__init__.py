"""The profile: what is particular to one change."""
