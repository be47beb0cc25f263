"""The rows of `plays` from PostgREST (Supabase): every column, selected by game, by start ascending.

Owns: the request, its key, its pages, and what its failures mean. Must not know: what a usable row is. The
address is https, or of this machine. httpx is loaded by a run alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from appliance.box.datasets.plays.rows import BadInput, Row
from appliance.kernel.fields import is_loopback

if TYPE_CHECKING:
    import httpx

PAGE: Final = 1000  # Supabase's own limit for one answer
ROWS_MAX: Final = 100_000  # of one game
TRIES: Final = 3
_TIMEOUT_S: Final = 30.0
_ANSWER_MAX: Final = 64 * 2**20


class PlaysUnavailable(Exception):
    """The query failed; the message has no key in it."""


class PostgrestPlays:
    """`base`: https://PROJECT.supabase.co. `key`: read-only is enough. Calls block. Raises BadInput for an
    address that would send the key in the clear."""

    def __init__(
        self, base: str, key: str, *, transport: httpx.BaseTransport | None = None, pause_s: float = 1.0
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise BadInput("plays: postgrest: is followed by an address such as https://project.supabase.co")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise BadInput(
                "plays: the address must begin with https:// (http:// would send the key in the clear)"
            )
        if not key:
            raise BadInput("plays: SUPABASE_SERVICE_KEY is not in the environment")
        path = parts.path.rstrip("/")
        self._url = f"{parts.scheme}://{parts.netloc}{path or '/rest/v1'}/plays"
        self._headers = {"apikey": key, "Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._transport, self._pause_s = transport, pause_s

    def rows(self, game_id: str) -> list[Row]:
        """All rows of a game. Raises PlaysUnavailable."""
        import httpx

        rows: list[Row] = []
        with httpx.Client(
            headers=self._headers, transport=self._transport, trust_env=False, timeout=_TIMEOUT_S
        ) as client:
            while True:
                page = self._page(client, game_id, len(rows))
                rows += page
                if not page:  # a server may cap its answers below what was asked for
                    return rows
                if len(rows) > ROWS_MAX:
                    raise PlaysUnavailable(f"game {game_id} has more than {ROWS_MAX} plays")

    def _page(self, client: httpx.Client, game_id: str, offset: int) -> list[Row]:
        query = {
            "select": "*",
            "game_id": f"eq.{game_id}",
            "order": "start_timestamp.asc,id.asc",
            "limit": str(PAGE),
            "offset": str(offset),
        }
        for tries_left in reversed(range(TRIES)):
            try:
                return _rows(client, self._url, query)
            except _MayPass as error:
                if not tries_left:
                    raise PlaysUnavailable(str(error)) from error
                Event().wait(self._pause_s * (TRIES - tries_left))
        raise AssertionError("the last try raises or returns")


class _MayPass(Exception):
    """No answer, or one that may be another at the next try."""


def _rows(client: httpx.Client, url: str, query: Mapping[str, str]) -> list[Row]:
    import httpx

    try:
        answer = client.get(url, params=dict(query))
    except httpx.TransportError as error:
        raise _MayPass(f"the plays cannot be read: {error or type(error).__name__}") from error
    if answer.status_code >= 500 or answer.status_code == 429:
        raise _MayPass(f"the plays cannot be read: status {answer.status_code}")
    if answer.status_code in (401, 403):
        raise PlaysUnavailable(
            f"the plays cannot be read: status {answer.status_code}; is SUPABASE_SERVICE_KEY right?"
        )
    value = _value(answer)
    if (
        answer.status_code != 200
        or not isinstance(value, list)
        or not all(isinstance(row, dict) for row in value)
    ):
        raise PlaysUnavailable(f"the plays cannot be read: status {answer.status_code}: {_message(value)}")
    return value


def _value(answer: httpx.Response) -> Any:
    if len(answer.content) > _ANSWER_MAX:
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def _message(value: Any) -> str:
    message = value.get("message") if isinstance(value, dict) else None
    return message[:200] if isinstance(message, str) else "no rows"
