"""Reverts a change and judges, from evidence on the live system, whether the rollback took effect."""
