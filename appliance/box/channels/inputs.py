"""Input addresses of channels: their check, how they are shown, and the default liveness of such a channel.

Pure functions without the database: the settings are checked with them before anything starts. The grammar of
an address is the recorder's (recorder/input_url.py): the API must not accept what the recorder cannot open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import unquote_plus

from pydantic import AfterValidator, Field

from appliance.box.recorder.input_url import BadInputUrl, SrtSource, parse_input
from appliance.network.addresses import BadDestination, Network, check_literal

Liveness = Literal["heartbeat", "footage"]

# Every followed folder is scanned 4 to 20 times a second: 200 channels without footage take 11 % of a core,
# and a mark cuts every channel of its session. No stadium has as many cameras.
MAX_CHANNELS: Final = 256
MAX_CHANNEL_IDS: Final = 4 * MAX_CHANNELS  # with archived ones, whose recordings are still followed


def check_input_url(text: str) -> str:
    """The address itself. Raises ValueError with the error: only srt:// and synthetic: are accepted."""
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError("holds a space or a control character; write it %20")
    try:
        parse_input(text)
    except BadInputUrl as error:
        raise ValueError(str(error).removeprefix("input_url: ")) from None
    return text


def check_called_host(input_url: str | None, networks: Sequence[Network]) -> None:
    """Refuse an input that the box would call at itself or at a link-local address outside `networks`.

    A name is resolved and checked when it is called. Raises ValueError.
    """
    source = parse_input(input_url) if input_url else None
    if isinstance(source, SrtSource) and source.mode == "caller":
        try:
            check_literal(source.host, networks)
        except BadDestination as error:
            raise ValueError(
                f"{error}; list its network in recorder.input_networks if it is a camera"
            ) from None


def shown_input_url(text: str | None) -> str | None:
    """The address without its passphrase: resources go to every client and into the journal."""
    if text is None or "?" not in text:
        return text
    address, query = text.split("?", 1)
    return f"{address}?{'&'.join(_shown_option(option) for option in query.split('&'))}"


def _shown_option(option: str) -> str:
    return "passphrase=***" if unquote_plus(option.split("=", 1)[0]) == "passphrase" else option


InputUrl = Annotated[str, Field(max_length=500), AfterValidator(check_input_url)]


def default_liveness(input_url: str | None) -> Liveness:
    """With an input address the box records the footage itself, so footage shows whether the camera is
    alive."""
    return "footage" if input_url else "heartbeat"


class InputPort(NamedTuple):
    """A UDP port the box itself opens for a camera; `host` "" is every address of the machine."""

    host: str
    port: int

    def clashes_with(self, other: InputPort) -> bool:
        """Whether only one of the two ports can be opened."""
        anywhere = ("", "0.0.0.0", "::")
        same_host = self.host == other.host or self.host in anywhere or other.host in anywhere
        return self.port == other.port and same_host


def input_port_of(input_url: str | None) -> InputPort | None:
    """The port that an input opens on this machine; None when it opens none or cannot be parsed."""
    try:
        source = parse_input(input_url) if input_url else None
    except BadInputUrl:
        return None
    if isinstance(source, SrtSource) and source.mode == "listener":
        return InputPort(source.host, source.port)
    return None
