"""Random sabotage of finished rollbacks, and a truth of its own to hold the gate's verdict against.

The truth is read from files and from the engine by code that shares nothing with the product's checks.
"""
