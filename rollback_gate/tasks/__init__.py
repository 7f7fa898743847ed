"""Invoke tasks, by what they are for: arguments in, exit code out. They import nothing heavy before they run."""
