"""One request of a command to a running service, and in words what went wrong.

Owns: the token's header, the limits of a call. Must not know: what is asked, or what is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from appliance.kernel import json
from appliance.network.outbound import CallFailed, Outbound, OutboundAnswer

_ANYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))  # the user of a command chose the address
_CALL_S: Final = 30.0  # the service answers after 20 s at the latest
_MAX_BYTES: Final = 16 * 1024 * 1024


@dataclass
class ServiceRefused(Exception):
    """The service cannot be reached, or does not do what was asked. `hint`: what to do now. `status`: of the
    answer, 0 without one."""

    detail: str
    hint: str = ""
    status: int = 0

    def __str__(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail


@dataclass(frozen=True, slots=True)
class ServiceCalls:
    """`url`: of the service, without a path. `token`: the shared internal one."""

    outbound: Outbound
    url: str
    token: str

    async def send(self, method: str, path: str, value: Any) -> Any:
        """As `request`, with JSON."""
        return await self.request(method, path, json.encode(value), "application/json")

    async def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/octet-stream"
    ) -> Any:
        """The JSON of an answer below 300. Raises ServiceRefused."""
        headers = {"x-internal-token": self.token}
        if body:
            headers["content-type"] = content_type
        try:
            answer = await self.outbound.call(
                method,
                self.url.rstrip("/") + path,
                headers=headers,
                body=body,
                timeout_s=_CALL_S,
                max_bytes=_MAX_BYTES,
                redirects=0,
            )
        except CallFailed as error:
            hint = "start it with `appliance cloud serve` or `demo`, or give its address with --url"
            raise ServiceRefused(f"no service at {self.url}: {error.detail}", hint) from None
        return _resource(answer)


def open_calls() -> Outbound:
    """For every address that the user of a command may give."""
    return Outbound(_ANYWHERE)


def _resource(answer: OutboundAnswer) -> Any:
    try:
        resource = json.decode_stored(answer.body.decode()) if answer.body else {}
    except ValueError:
        raise ServiceRefused(
            f"{answer.url} is not the hosted side: its answer is no JSON", "check --url", answer.status
        ) from None
    if answer.status < 300:
        return resource
    given = resource if isinstance(resource, dict) else {}
    if answer.status in (401, 403):
        raise ServiceRefused(
            "the service does not accept the token",
            "set INTERNAL_SERVICE_TOKEN to that of the service's environment; the demo prints its own",
            answer.status,
        )
    detail = str(given.get("detail") or given.get("error") or f"the service answered {answer.status}")
    fields = [f"{each['loc']}: {each['msg']}" for each in given.get("errors", [])]
    fields = [each for each in fields if each not in detail]
    raise ServiceRefused("; ".join([detail, *fields]), str(given.get("hint") or ""), answer.status)
