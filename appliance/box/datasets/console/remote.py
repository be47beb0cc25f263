"""Runs of a box, over HTTP: a command on the box asks the daemon, which alone knows its recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any, Final

from appliance.box.datasets.plays.rows import BadInput

POLL_S: Final = 2.0
TRIES: Final = 3
_TIMEOUT_S: Final = 30.0


class BoxRuns:
    """`token`: of an operator, where the box asks for one; requests of the box itself need none. Calls
    block and raise BadInput with the box's own words."""

    def __init__(self, url: str, token: str = "", transport: Any = None, pause_s: float = 1.0) -> None:
        import httpx

        self._pause_s = pause_s
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False, transport=transport
        )

    def start(self, body: Mapping[str, Any]) -> str:
        """The id of the new run."""
        return str(self._call("POST", "/dataset-runs", body)["id"])

    def one(self, run_id: str) -> dict[str, Any]:
        return self._call("GET", f"/dataset-runs/{run_id}")

    def newest(self) -> list[dict[str, Any]]:
        return list(self._call("GET", "/dataset-runs")["items"])

    def follow(self, run_id: str, pause_s: float = POLL_S) -> Iterator[dict[str, Any]]:
        """The run again and again, until it has ended."""
        while True:
            run = self.one(run_id)
            yield run
            if run["status"] != "processing":
                return
            Event().wait(pause_s)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        import httpx

        content = None if body is None else dict(body)
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._client.request(method, path, json=content)
                break
            except httpx.ConnectError as error:  # nothing was sent: a second run cannot begin by it
                if not tries_left:
                    raise BadInput(f"the box does not answer at {self._client.base_url}: {error}") from None
                Event().wait(self._pause_s * (TRIES - tries_left))
            except httpx.TransportError as error:
                raise BadInput(f"the box does not answer at {self._client.base_url}: {error}") from None
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict) or answer.status_code >= 400:
            detail = value.get("detail") if isinstance(value, dict) else None
            raise BadInput(f"the box answered {answer.status_code}: {detail or 'without a reason'}")
        return value
