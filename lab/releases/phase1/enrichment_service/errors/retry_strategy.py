"""How often, and after which waits, a failed call is tried again."""

STRATEGIES = {
    "timeout": (4, (1, 2, 4), "Timeout - retry with exponential backoff (2s, 4s, 8s)"),
    "connection": (6, (1, 2, 4, 8, 16), "Connection - retry with exponential backoff"),
    "overloaded": (6, (1, 3, 9, 27, 81), "Service overloaded - retry with longer backoff (3s, 9s, 27s, 81s)"),
    "event_loop": (2, (1,), "Event loop - retry once"),
    "invalid_data": (1, (), "Invalid data - do not retry"),
    "authentication": (1, (), "Authentication - do not retry"),
    "unknown": (4, (1, 2, 4), "Unknown - retry with exponential backoff"),
}


def get_retry_strategy(kind):
    """(attempts, waits in seconds, description)"""
    return STRATEGIES[kind]
