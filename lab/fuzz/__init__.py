"""Random sabotage of finished rollbacks, and an independent truth to compare the gate's verdict with.

The truth is read from files and from the engine, by code that shares nothing with the product's checks.
"""
