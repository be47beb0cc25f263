"""Removing secrets from text that leaves the box.

Owns: how a secret is recognised: by its value (known from settings, database and credentials), and by its
form (a passphrase in an address, a token in a header). Pure.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

MASK: Final = "***"
SHORTEST: Final = 4  # characters; shorter values occur in any text, so only their fields are masked, by name
_NAMES: Final = (
    "password",
    "passphrase",
    "passwd",
    "token",
    "secret",
    "cookie",
    "authorization",
    "api_key",
    "private_key",
)
_NAMED: Final = "|".join(_NAMES)
_FORMS: Final = (
    re.compile(r"(?i)((?:authorization|cookie)[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n]+"),  # the rest of the line
    re.compile(rf"(?i)((?:{_NAMED})[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;}}]+"),
    re.compile(r"(?i)(\b(?:bearer|basic)[ ,]+)[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"([?&](?:k|c|key|code)=)[^\s\"'&#]+"),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']+(?=@)"),
    re.compile(r"(/whep/)[A-Za-z0-9_-]+"),
    re.compile(r"(\b(?:publish|read):[^\s:\"']+:[^\s:\"']+:)[^\s:\"'&]+"),  # a camera's stream id
    re.compile(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)


class Scrubber:
    """Replaces secrets by `***`. `values`: those that are known."""

    def __init__(self, values: Iterable[str]) -> None:
        known = {form for value in values if len(value) >= SHORTEST for form in _spellings(value)}
        self._known = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        for value in self._known:
            text = text.replace(value, MASK)
        for form in _FORMS:
            text = form.sub(rf"\g<1>{MASK}", text)
        return text

    def tree(self, value: Any, name: str = "") -> Any:
        """A parsed settings tree, with fields that are secret by their name masked whole."""
        if isinstance(value, dict):
            return {key: self.tree(each, str(key)) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(each, name) for each in value]
        if value and any(word in name.lower() for word in _NAMES):
            return MASK
        return self.text(value) if isinstance(value, str) else value


def secrets_in_tree(value: Any, name: str = "") -> set[str]:
    """The values of secret fields, and of secrets inside addresses."""
    if isinstance(value, dict):
        return set().union(*(secrets_in_tree(each, str(key)) for key, each in value.items()))
    if isinstance(value, list | tuple):
        return set().union(*(secrets_in_tree(each, name) for each in value))
    if not isinstance(value, str):
        return set()
    secrets = {value} if value and any(word in name.lower() for word in _NAMES) else set()
    return secrets | _secrets_in_address(value)


def _secrets_in_address(text: str) -> set[str]:
    if "://" not in text:
        return set()
    try:
        url = urlsplit(text)
    except ValueError:
        return set()
    secrets = {each for name, each in parse_qsl(url.query) if any(word in name.lower() for word in _NAMES)}
    return secrets | ({url.password} if url.password else set())


def _spellings(value: str) -> set[str]:
    """The forms of the value in a log: as it is, in an address, in JSON, in base64."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return {
        value,
        escaped,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        base64.b64encode(value.encode()).decode(),
    }
