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
        """As a mail: a header and the text."""
        return f"Subject: {self.subject}\n\n{self.body}\n"


def render(message: Message, facts: Mapping[str, str]) -> Rendered:
    """Pure. A fact in the subject is one line, whatever it holds: it must not become a header of its own."""
    one_line = {key: " ".join(value.split()) for key, value in facts.items()}
    return Rendered(
        *(
            _printable(text)
            for text in (message.subject.format_map(one_line), message.body.strip("\n").format_map(facts))
        )
    )


def _printable(text: str) -> str:
    """What came from a command line in another encoding must not keep a message from being sent."""
    return text.encode(errors="replace").decode()
