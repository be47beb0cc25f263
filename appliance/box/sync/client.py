"""HTTP to the cloud: one connection pool, the box's token and id on each request, answers checked.

Owns: limits of time and size, and what an answer means: an object, a refusal that the cloud explains in a
problem document, or "later". Must not know: what is sent. httpx is loaded where a cloud is set: it takes
25 ms of a start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from appliance.kernel import json
from appliance.kernel.errors import Refused, Unavailable
from appliance.network.addresses import BadDestination

if TYPE_CHECKING:
    import ssl

    import httpx

TIMEOUT_S: Final = 20.0
ANSWER_MAX: Final = 4 * 2**20
_OWN: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
_RETRY_MAX_S: Final = 300.0


class CloudUnavailable(Unavailable):
    """No usable answer of the cloud: the same call may succeed later."""


class CloudClient:
    """Every call raises CloudUnavailable or Refused (it will not as it stands;
    `extra` holds all members of the cloud's problem document)."""

    def __init__(self, http: httpx.AsyncClient, box_id: str) -> None:
        self._http = http
        self.box_id = box_id

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """The JSON object of a 2xx answer. `timeout_s`: for all of it."""
        import httpx

        sent = {**(headers or {}), "Box-Id": self.box_id}
        if body is not None:
            sent["Content-Type"] = content_type
        try:
            with trio.fail_after(timeout_s):
                async with self._http.stream(
                    method, path, content=body, headers=sent, params=params, timeout=timeout_s
                ) as answer:
                    data = await _whole(answer)
                    return _read(answer.status_code, answer.headers.get("retry-after", ""), data)
        except (httpx.TimeoutException, trio.TooSlowError) as error:
            detail = f"the cloud did not answer within {timeout_s:g} s"
            raise CloudUnavailable("cloud_slow", detail, "nothing now: it is tried again") from error
        except httpx.HTTPError as error:
            detail = f"the cloud cannot be reached: {_reason(error)}"
            hint = "check the box's way to the internet, and [cloud] url"
            raise CloudUnavailable("cloud_unreachable", detail[:300], hint) from error
        except BadDestination as error:
            hint = "[cloud] url must name the cloud"
            raise CloudUnavailable("cloud_address", f"the box does not call {error}", hint) from error


async def _whole(answer: httpx.Response) -> bytes:
    """Raises CloudUnavailable when it is longer than an answer of a cloud can be, or compressed although that
    was not asked for: 64 kB could become 64 MB."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _not_a_cloud("a compressed answer")
    data = bytearray()
    async with aclosing(answer.aiter_bytes()) as parts:  # type: ignore[type-var]  # a generator, typed as less
        async for part in parts:
            data += part
            if len(data) > ANSWER_MAX:
                raise _not_a_cloud(f"an answer of more than {ANSWER_MAX} bytes")
    return bytes(data)


def _read(status: int, retry_after: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.decode_long(data) if data else {}
    except json.BadJson:
        value = None
    document = value if isinstance(value, dict) else {}
    if status >= 500 or status in (408, 425, 429):
        waits = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
        detail = f"the cloud answered {status}: {_text(document, 'detail') or 'it has a problem'}"
        raise CloudUnavailable(
            _text(document, "code") or "cloud_error",
            detail[:300],
            "nothing now: it is tried again",
            retry_after_s=min(waits, _RETRY_MAX_S),
        )
    if 400 <= status < 500 and _text(document, "code"):
        raise Refused(
            status,
            _text(document, "code"),
            _text(document, "detail")[:300],
            _text(document, "hint")[:300] or None,
            extra=document,
        )
    if not 200 <= status < 300 or not isinstance(value, dict):
        raise _not_a_cloud(f"status {status} without the answer of a cloud")
    return document


def _not_a_cloud(what: str) -> CloudUnavailable:
    detail = f"what answers at [cloud] url is not the cloud of this box: {what}"
    return CloudUnavailable(
        "cloud_answer", detail, "check [cloud] url; a network's login page answers so too"
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _reason(error: BaseException) -> str:
    """The first text in the chain of causes."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause) if cause is not None else type(error).__name__


@asynccontextmanager
async def open_client(
    url: str,
    token: str,
    box_id: str,
    *,
    site_id: str = "",
    verify: ssl.SSLContext | bool = True,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[CloudClient]:
    """A client for `url` (https://cloud.example). It connects at the first call; proxy settings of the
    environment are ignored. `site_id`: of [site], so that the token of another site is noticed."""
    import httpx

    from appliance.network.http_calls import CheckedTransport

    if transport is None:
        below = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
        transport = CheckedTransport(_OWN, may_be_own=True, below=below)
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity", "User-Agent": "stadium-box"}
    if site_id:
        headers["Site-Id"] = site_id
    async with httpx.AsyncClient(
        base_url=url, headers=headers, transport=transport, trust_env=False, follow_redirects=False
    ) as http:
        yield CloudClient(http, box_id)
