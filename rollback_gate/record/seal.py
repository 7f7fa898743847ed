"""The seal of a record: its canonical form, its digests, and a signature if there is a key. Pure.

A digest shows accidents. Only the signature, which needs the key, protects against a forged record.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.errors import WrongSetting

KEY_VARIABLE = "ROLLBACK_GATE_SIGNING_KEY"
_SHORTEST_KEY = 16
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # they reverse text
_PICTURES: dict[int, int | str] = {
    **{n: 0x2400 + n for n in range(32) if chr(n) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0x2028, 0x2029), 0xFFFD),
    **{
        n: f"[U+{n:04X}]" for n in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },  # direction
}
_SIGNATURE = re.compile(r"hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}")
_DATA = re.compile(r'<pre id="rg-record">([^<]*)</pre>')
_SLOT = r'(<code id="rg-{}">)([^<]*)(</code>)'
_DIGEST_SLOT, _SIGNATURE_SLOT = re.compile(_SLOT.format("page-digest")), re.compile(_SLOT.format("page-signature"))


@dataclass(frozen=True)
class Key:
    """A key shared by writers and checkers of records. `name` identifies the key without revealing it."""

    secret: str

    @property
    def name(self) -> str:
        return hashlib.sha256(b"rollback-gate key name\0" + self.secret.encode()).hexdigest()[:8]

    def sign(self, what: str, text: str) -> str:
        """`what`: the kind of text; a signature of one kind is invalid for another."""
        made = hmac.new(self.secret.encode(), f"{what}\0{text}".encode(), hashlib.sha256).hexdigest()
        return f"hmac-sha256:{self.name}:{made}"


def key_of(environ: Mapping[str, str]) -> Key | None:
    """The signing key; None if there is none. Raises WrongSetting for a guessable one."""
    if KEY_VARIABLE not in environ:
        return None
    secret = environ[KEY_VARIABLE]
    if len(secret) < _SHORTEST_KEY:  # an empty one too: a CI system withholds a secret that way
        raise WrongSetting(
            f"{KEY_VARIABLE} has {len(secret)} characters, fewer than {_SHORTEST_KEY}",
            "make one with: openssl rand -hex 32",
        )
    return Key(secret)


def printable(value: Any) -> Any:
    """Replaces control characters with visible ones: neither a terminal nor a parser may interpret log text."""
    if isinstance(value, str):
        return value.translate(_PICTURES)
    if isinstance(value, dict):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list | tuple) else value


def canonical(record: Mapping[str, Any]) -> str:
    """The canonical text of a record: the content of report.json, and the input of its digest."""
    text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def signed(record: Mapping[str, Any], key: Key | None) -> dict[str, Any]:
    """The record with its signature, "" without a key."""
    bare = {name: value for name, value in record.items() if name != "signature"}
    return {**bare, "signature": key.sign("record", canonical(bare)) if key else ""}


def is_signature(text: str) -> bool:
    return bool(_SIGNATURE.fullmatch(text))


def is_signed_by(record: Mapping[str, Any], key: Key) -> bool:
    made = str(record.get("signature", ""))
    return hmac.compare_digest(made.encode(), str(signed(record, key)["signature"]).encode())


# --- report.html


def filled(page: str, key: Key | None) -> str:
    """The page with its own digest and signature in their slots. Raises ValueError for a page without them."""
    made = digest(_blank(page))
    page = _put(_DIGEST_SLOT, page, made)
    return _put(_SIGNATURE_SLOT, page, key.sign("page", made) if key else "")


def page_digest_holds(page: str) -> bool:
    """True if the digest is that of the whole page with empty slots. Raises ValueError for a page without slots."""
    return _slot(_DIGEST_SLOT, page) == digest(_blank(page))


def page_signature(page: str) -> str:
    return _slot(_SIGNATURE_SLOT, page)


def page_is_signed_by(page: str, key: Key) -> bool:
    """Raises ValueError for a page without slots."""
    made = key.sign("page", digest(_blank(page)))
    return hmac.compare_digest(_slot(_SIGNATURE_SLOT, page).encode(), made.encode())


def without_slots(page: str) -> str:
    """The page as rendered, with empty slots. Raises ValueError."""
    return _blank(page)


def embedded(page: str) -> str:
    """The text of the report.json that the page was made from. Raises ValueError for a page without it."""
    found = _DATA.findall(page)
    if len(found) != 1:
        raise ValueError(f"the page holds the record's data {len(found)} times")
    return html.unescape(found[0])


def _blank(page: str) -> str:
    return _put(_SIGNATURE_SLOT, _put(_DIGEST_SLOT, page, ""), "")


def _put(slot: re.Pattern[str], page: str, value: str) -> str:
    made, count = slot.subn(rf"\g<1>{value}\g<3>", page)
    if count != 1:
        raise ValueError(f"the page has {count} slots for its digest or signature")
    return made


def _slot(slot: re.Pattern[str], page: str) -> str:
    found = slot.findall(page)
    if len(found) != 1:
        raise ValueError(f"the page has {len(found)} slots for its digest or signature")
    return str(found[0][1])
