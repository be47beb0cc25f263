"""The [cloud] section of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from appliance.kernel.fields import Section, is_loopback

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")  # what a header can carry; an error would quote all others


def _address(text: str) -> str:
    """The URL without a slash at its end. Raises ValueError."""
    parts = urlsplit(text)
    try:
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as the resolver does
    except ValueError:
        host = None
    if text and (parts.scheme not in ("https", "http") or not host):
        raise ValueError('must be an address such as "https://cloud.example"')
    if text and (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc):
        raise ValueError("must end with the host or its port")
    if text and parts.scheme == "http" and not is_loopback(host or ""):
        raise ValueError("must begin with https:// (http:// would send the token in the clear)")
    return text.rstrip("/")


class SyncSettings(Section):
    """[cloud]. `url`: "" = the box is not connected to a cloud."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_address)] = ""
    token: SecretStr = SecretStr("")
    token_file: str = ""
    media: Literal["idle", "off", "always"] = "idle"
    max_mbit: Annotated[float, Field(ge=0, le=1e6)] = 0
    local_copy_channel: Annotated[str, Field(pattern=r"^$|^[a-z0-9_-]{1,32}$")] = ""
    pin_days: Annotated[float, Field(ge=0, le=1e6)] = 21
    share_notes: bool = False
    sessions_from_events: bool = False

    @property
    def is_on(self) -> bool:
        return bool(self.url)

    def read_token(self) -> str:
        """The token of the setting or of its file; "": there is none that can be sent, or the file cannot be
        read."""
        text = self.token.get_secret_value()
        if self.token_file:
            try:
                text = Path(self.token_file).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                text = ""
        return text.strip() if _TOKEN.fullmatch(text.strip()) else ""


def contradictions_of(section: SyncSettings) -> Iterator[str]:
    """As Domain.contradictions."""
    if section.token.get_secret_value() and section.token_file:
        yield "cloud.token_file: is set beside cloud.token; keep one of them"
    if section.token.get_secret_value() and not section.token_file and not section.read_token():
        yield "cloud.token: must be one line of letters, digits and signs, without spaces"
    if section.url and not section.token.get_secret_value() and not section.token_file:
        yield "cloud.token: is not set; `appliance cloud token --role box --scope site:ID` makes one"
