"""All requests that the hosted program sends to other hosts: webhooks, providers, playlists and their keys.

Owns: which URLs may be called, resolving their hosts, redirects, limits of time and size, and the errors of a
call. The host of every call, and of every redirect, is resolved once, checked (addresses.py), and the request
is sent to the address that was checked. Must not know: what is called, or why. Import it where it is needed:
httpx takes 25 ms of a start.

No connection is used twice: httpx looks connections up by address, so a connection whose certificate was
verified for one name could be used for a request to another name.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import trio

from appliance.network.addresses import BadDestination, Network
from appliance.network.destinations import PORTS, resolve

MAX_BYTES: Final = 4 * 1024 * 1024  # a season of a league is 400 kB
TIMEOUT_S: Final = 20.0
MAX_REDIRECTS: Final = 5
MAX_URL: Final = 2048
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_CONNECT_S: Final = 5.0
_OWN_HEADERS: Final = {
    "accept-encoding": "identity",
    "user-agent": "stadium-box-cloud",
    "connection": "close",
}


@dataclass
class CallFailed(Exception):
    """A call got no usable answer. `code`: refused, bad_url, unreachable, timeout, too_large,
    too_many_redirects or bad_answer; `detail` is for people and contains neither a path nor a query."""

    code: str
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """A whole answer; `url` is that of the last redirect."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes


class OutboundStream:
    """An answer whose body is still to be read."""

    def __init__(self, response: httpx.Response, url: httpx.URL, max_bytes: int) -> None:
        self._response, self._max_bytes, self._size = response, max_bytes, 0
        self._parts = aiter(response.stream)  # type: ignore[arg-type]  # the transport is asynchronous
        self.url, self.status, self.headers = str(url), response.status_code, response.headers

    async def receive(self) -> bytes:
        """The next piece of the body; empty: its end. Raises CallFailed: longer than the limit, or compressed
        although that was not asked for (64 kB of gzip can become 64 MB)."""
        if self._size == 0:
            self._check_headers()
        try:
            part: bytes = await anext(self._parts)
        except StopAsyncIteration:
            return b""
        self._count(len(part))
        return part or await self.receive()

    async def close(self) -> None:
        """End the connection, also in the middle of a body. Then the generators below are run to their ends:
        trio warns of each that is left suspended."""
        with trio.CancelScope(shield=True), trio.move_on_after(1.0):
            await self._response.aclose()
            try:
                async for _ in self._parts:
                    pass  # what had arrived already
            except (httpx.TransportError, httpx.StreamError):
                pass

    def _check_headers(self) -> None:
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding not in ("", "identity"):
            raise CallFailed("bad_answer", f"{_place(self.url)} sent a compressed answer ({encoding[:20]})")
        length = self.headers.get("content-length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self._max_bytes:
            self._count(int(length))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise CallFailed("too_large", f"{_place(self.url)} sent more than {self._max_bytes} bytes")


def parse_url(text: str) -> httpx.URL:
    """The URL as it will be called. Raises CallFailed for one that is never called, whatever its host
    resolves to: another scheme, a login, no host, a port out of range."""
    if len(text) > MAX_URL:
        raise CallFailed("bad_url", f"an address is longer than {MAX_URL} characters")
    try:
        if not text.isascii() or not text.isprintable() or any(sign in text for sign in '\\ "<>'):
            raise ValueError("it has characters that an address must escape")
        url = httpx.URL(text)
        port, host = url.port, url.host  # `host` decodes punycode: IDNAError, a ValueError
    except (httpx.InvalidURL, ValueError) as error:
        raise CallFailed("bad_url", f"no address: {error}") from None
    reason = (
        "must begin with http:// or https://"
        if url.scheme not in PORTS
        else "must not hold a login before an @"
        if "@" in text.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
        else "has no host"
        if not host.strip(".")
        else "has no port between 1 and 65535"
        if port is not None and not 1 <= port <= 65535
        else ""
    )
    if reason:
        raise CallFailed("bad_url", f"the address {reason}")
    return url


class Outbound:
    """Calls to public addresses and to those in `allow_private` ([net] allow_private)."""

    def __init__(
        self,
        allow_private: Sequence[Network] = (),
        *,
        verify: ssl.SSLContext | bool = True,
        below: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._allowed = tuple(allow_private)
        self._below = below or httpx.AsyncHTTPTransport(
            verify=verify,
            trust_env=False,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Outbound:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._below.aclose()

    async def check(self, text: str) -> None:
        """Whether the URL may be called now. Raises CallFailed, also for an unknown name."""
        await self._address(parse_url(text))

    async def resolve(self, text: str) -> str:
        """The checked address of the URL's host, for a program that connects by itself. Raises CallFailed."""
        return await self._address(parse_url(text))

    async def call(
        self,
        method: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
        redirects: int = MAX_REDIRECTS,
    ) -> OutboundAnswer:
        """The whole answer, of any status. `timeout_s`: for the whole call. `redirects`: how many are
        followed; with 0 a redirect is returned like any other answer. Raises CallFailed."""
        with trio.move_on_after(timeout_s):
            async with self.stream(
                method,
                text,
                headers=headers,
                body=body,
                max_bytes=max_bytes,
                redirects=redirects,
                wait_s=max(TIMEOUT_S, timeout_s),
            ) as answer:
                parts = []
                while part := await answer.receive():
                    parts.append(part)
                return OutboundAnswer(answer.url, answer.status, answer.headers, b"".join(parts))
        raise CallFailed("timeout", f"{_place(text)} did not answer within {timeout_s:g} s")

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        text: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_bytes: int = MAX_BYTES,
        redirects: int = MAX_REDIRECTS,
        wait_s: float = TIMEOUT_S,
    ) -> AsyncIterator[OutboundStream]:
        """The answer with its body unread. Each wait for the other side ends after `wait_s`; the caller
        limits the total time. Raises CallFailed, also inside the block."""
        url, sent = parse_url(text), dict(headers or {})
        try:
            for _ in range(redirects + 1):
                answer = OutboundStream(await self._send(method, url, sent, body, wait_s), url, max_bytes)
                try:
                    target = answer.headers.get("location")
                    if not redirects or answer.status not in _REDIRECTS or target is None:
                        yield answer
                        return
                finally:
                    await answer.close()
                url, sent, method, body = _redirected(url, target, sent, method, body, answer.status)
        except httpx.TimeoutException as error:
            raise CallFailed("timeout", f"{_place(str(url))} did not answer in time") from error
        except httpx.TransportError as error:
            detail = f"{_place(str(url))} cannot be reached: {_reason(error)}"
            raise CallFailed("unreachable", detail[:300]) from error
        raise CallFailed("too_many_redirects", f"{_place(text)} redirects more than {redirects} times")

    async def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, wait_s: float
    ) -> httpx.Response:
        address = await self._address(url)
        host = url.netloc.decode("ascii")
        waits = dict.fromkeys(("read", "write", "pool"), wait_s)
        request = httpx.Request(
            method,
            url.copy_with(host=address, fragment=None),
            headers={**headers, **_OWN_HEADERS, "host": host},
            content=body,
            extensions={
                "sni_hostname": url.raw_host.decode("ascii"),  # TLS checks this name, not the address
                "timeout": {"connect": _CONNECT_S, **waits},
            },
        )
        return await self._below.handle_async_request(request)

    async def _address(self, url: httpx.URL) -> str:
        """The checked address to call. Raises CallFailed."""
        host, port = url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]
        try:
            with trio.fail_after(_CONNECT_S):
                return await resolve(host, port, self._allowed, public_only=True)
        except BadDestination as error:
            reason = str(error).replace("the box itself", "this server itself")
            raise CallFailed("refused", f"{reason}: it is not called from here") from None
        except trio.TooSlowError:
            raise CallFailed("timeout", f"the name {host} was not resolved within {_CONNECT_S:g} s") from None
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CallFailed("unreachable", f"{host}: {reason}") from None


def _redirected(
    url: httpx.URL, target: str, headers: Mapping[str, str], method: str, body: bytes, status: int
) -> tuple[httpx.URL, dict[str, str], str, bytes]:
    """The next request. Headers (they may hold a token) are not sent to another origin; https never becomes
    http. Raises CallFailed."""
    try:
        joined = str(url.join(target))
    except (httpx.InvalidURL, ValueError) as error:
        raise CallFailed("bad_answer", f"{_place(str(url))} redirects to no address: {error}") from None
    following = parse_url(joined)
    if (url.scheme, following.scheme) == ("https", "http"):
        raise CallFailed("bad_answer", f"{_place(str(url))} redirects from https to http")
    is_same = (url.scheme, url.netloc) == (following.scheme, following.netloc)
    kept = dict(headers) if is_same else {}
    if status in (307, 308) and body and not is_same:
        raise CallFailed("bad_answer", f"{_place(str(url))} redirects what was sent to another server")
    if status in (307, 308) or method in ("GET", "HEAD"):
        return following, kept, method, body
    return following, kept, "GET", b""


def _reason(error: BaseException) -> str:
    """The first text in the chain of causes: httpx's own error has none when a TLS handshake fails."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause) if cause is not None else type(error).__name__


def _place(text: str) -> str:
    """Scheme, host and port, for people: the rest may hold a secret."""
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].rpartition('@')[2]}"[:200]
