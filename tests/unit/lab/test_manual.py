"""The manual of the profile's format is the schema's."""

from __future__ import annotations

from lab import manual
from rollback_gate.profile.base import Section
from rollback_gate.profile.schema import Profile


def test_it_is_current() -> None:
    assert manual.PAGE.read_text(encoding="utf-8") == manual.text(), "invoke lab.pages writes it"


def test_it_has_every_key_of_every_section() -> None:
    """Each kind of queue, database and upstream has its own section, with what it says of itself."""
    text = manual.text()
    for heading, model in manual._sections(Profile, ""):
        _, _, rest = text.partition(f"## {heading}\n")
        section = rest.partition("\n## ")[0]
        assert all(f"| `{name}` |" in section for name in model.model_fields), heading
    for kind in ("nsq", "redis", "rabbitmq", "mongodb", "postgresql", "websocket", "http", "tcp"):
        assert f"kind `{kind}`" in text


def test_every_section_says_what_it_is() -> None:
    silent = [model.__name__ for _, model in manual._sections(Profile, "") if model.__doc__ in (None, Section.__doc__)]
    assert silent == []
