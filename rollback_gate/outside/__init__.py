"""Who else is told: messages and notification services.

May know words and profile.
"""
