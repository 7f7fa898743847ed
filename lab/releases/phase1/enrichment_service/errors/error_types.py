"""Which kind of failure an error is."""

KINDS = (
    ("timeout", ("timeout", "timed out")),
    ("authentication", ("401", "403", "unauthorized")),
    ("overloaded", ("503", "429", "overloaded")),
    ("event_loop", ("different loop", "event loop")),
    ("connection", ("connect", "refused", "reset")),
    ("invalid_data", ("invalid", "json", "-32602")),
)


def get_error_type(error):
    text = str(error).lower()
    for kind, marks in KINDS:
        if any(mark in text for mark in marks):
            return kind
    return "unknown"
