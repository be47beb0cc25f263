"""The callers: send the requests of a schedule to this service, over HTTP, with the internal token.

The order is that of the target: the round, then standings, then the bracket; each is sent when the one before
has completed. An update that takes longer than its request is polled. Must not know: rows, times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import trio

from appliance.kernel import json
from appliance.network.outbound import CallFailed, Outbound

POLL_S: Final = 2.0
GIVE_UP_S: Final = 900.0
REQUEST_S: Final = 40.0  # an update is answered within 20 s
_STEPS: Final = ("roundUrl", "standingsUrl", "knockoutsUrl")


@dataclass
class CallerFailed(Exception):
    """A request was not answered, was refused, or its execution has failed. The text is for people."""

    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """`base_url`, `environment`, `token`: of this service. Nothing else is ever called."""

    outbound: Outbound
    base_url: Callable[[], str]
    environment: str
    token: str

    async def update(self, target: Mapping[str, str]) -> list[str]:
        """Send the PATCHes of a target; returns the ids of the executions. Raises CallerFailed."""
        self._check(target)
        return [await self._patch(target[step]) for step in _STEPS if step in target]

    async def redraw(self, target: Mapping[str, str]) -> list[str]:
        """Send the PATCH of the bracket alone. Raises CallerFailed."""
        self._check(target)
        return [await self._patch(target["knockoutsUrl"])]

    async def plan(self, target: Mapping[str, str]) -> None:
        """Ask the scheduler for the schedules of the day. Raises CallerFailed."""
        self._check(target)
        body = {"kind": "daily", "targetEnv": self.environment}
        status, answer = await self._send("POST", target["endpoint"], json.encode(body))
        if status != 200:
            raise CallerFailed(f"scheduler: {_why(status, answer)}")

    def _check(self, target: Mapping[str, str]) -> None:
        """Before anything is sent: no address of another service, or of another environment."""
        base = self.base_url()
        urls = [url for name, url in target.items() if name != "targetEnv"]
        if target["targetEnv"] != self.environment or not all(url.startswith(f"{base}/") for url in urls):
            raise CallerFailed("this schedule belongs to another environment: it is not run here")

    async def _patch(self, url: str) -> str:
        name = url.partition("/tournaments/")[2]
        status, answer = await self._send("PATCH", url)
        if status not in (200, 202):
            raise CallerFailed(f"{name}: {_why(status, answer)}")
        execution_id = str(answer.get("executionId"))
        if status == 202:
            answer = await self._ended(name, execution_id)
        if answer.get("status") != "completed":
            raise CallerFailed(f"{name}: execution {execution_id} failed: {answer.get('error')}")
        return execution_id

    async def _ended(self, name: str, execution_id: str) -> Mapping[str, Any]:
        """Poll until the execution has ended. One whose process died goes on as another."""
        url = f"{self.base_url()}/api/v2/data-provider/executions/{execution_id}"
        with trio.move_on_after(GIVE_UP_S):
            while True:
                status, answer = await self._send("GET", url)
                if status != 200:
                    raise CallerFailed(f"{name}: {_why(status, answer)}")
                if answer.get("status") != "in_progress":
                    return answer
                await trio.sleep(POLL_S)
        raise CallerFailed(f"{name}: execution {execution_id} has not ended within {GIVE_UP_S:g} s")

    async def _send(self, method: str, url: str, body: bytes = b"") -> tuple[int, Mapping[str, Any]]:
        headers = {"x-internal-token": self.token, "accept": "application/json"}
        if body:
            headers["content-type"] = "application/json"
        try:
            answer = await self.outbound.call(
                method, url, headers=headers, body=body, timeout_s=REQUEST_S, redirects=0
            )
            decoded = json.decode_long(answer.body)
        except CallFailed as failed:
            raise CallerFailed(failed.detail) from None
        except json.BadJson:
            decoded = None
        return answer.status, decoded if isinstance(decoded, dict) else {}


def _why(status: int, answer: Mapping[str, Any]) -> str:
    reason = answer.get("detail") or answer.get("error") or "no reason was given"
    return f"answered {status}: {reason}"
