"""Readings of the live system. Queries and pure parsing are apart."""
