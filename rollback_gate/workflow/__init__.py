"""What each task does, as visible lists of stages. Effects come in as arguments.

May know everything but the tasks.
"""
