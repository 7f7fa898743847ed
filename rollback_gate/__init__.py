"""Rolls a change back and judges, from evidence on the live system, whether it really is gone."""
