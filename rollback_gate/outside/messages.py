"""The two messages of a production rollback (runbook, Rollback in Production, Steps 1 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.profile.afterwards import Message


@dataclass(frozen=True)
class Rendered:
    subject: str
    body: str

    @property
    def text(self) -> str:
        """As a mail: a header and the body."""
        return f"Subject: {self.subject}\n\n{self.body}\n"


def render(message: Message, facts: Mapping[str, str]) -> Rendered:
    """Pure. A fact in the subject becomes one line, so that it cannot add a header."""
    one_line = {key: " ".join(value.split()) for key, value in facts.items()}
    return Rendered(
        *(
            _printable(text)
            for text in (message.subject.format_map(one_line), message.body.strip("\n").format_map(facts))
        )
    )


def _printable(text: str) -> str:
    """Replaces what UTF-8 cannot encode: a command line in another encoding must not stop a message."""
    return text.encode(errors="replace").decode()
