"""Notifications: messages and notification services.

May know words and profile.
"""
