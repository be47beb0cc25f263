"""HTTP calls to a host that the settings name: to an address that was checked, and to no other.

Owns: the address of each host name, kept until a call fails. Of several addresses the first that accepts a
connection is called: "localhost" may be ::1 first while the server listens on 127.0.0.1 alone. Must not know:
what is called. Import it where it is needed: httpx takes 25 ms of a start.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from appliance.network.addresses import Network
from appliance.network.destinations import PORTS, resolve_all


class CheckedTransport(httpx.AsyncBaseTransport):
    """Resolves names itself, so that the address that was checked is the one that is called, also when the
    name resolves to another one a second later. TLS verifies the name, not the address.

    A call raises BadDestination for an address that the box does not call (addresses.py), httpx.ConnectError
    for a name that is not known.
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        may_be_own: bool = False,
        below: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._allowed, self._may_be_own = allowed, may_be_own
        self._below = below or httpx.AsyncHTTPTransport(trust_env=False)
        self._addresses: dict[tuple[str, int], str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        named = request.url
        place = (named.host, named.port or PORTS[named.scheme])
        *others, last = await self._to_try(place, request)
        request.extensions = {**request.extensions, "sni_hostname": named.host}
        try:
            for address in others:
                try:
                    return await self._call(place, address, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    request.url = named  # nothing was sent: the next address is tried
            return await self._call(place, last, request)
        finally:
            request.url = named

    async def _call(self, place: tuple[str, int], address: str, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=address)
        try:
            response = await self._below.handle_async_request(request)
        except httpx.TransportError:
            self._addresses.pop(place, None)  # the host may have another address now
            raise
        self._addresses[place] = address
        return response

    async def _to_try(self, place: tuple[str, int], request: httpx.Request) -> list[str]:
        """The address that answered last; otherwise every checked address of the name."""
        if place in self._addresses:
            return [self._addresses[place]]
        try:
            return await resolve_all(*place, self._allowed, may_be_own=self._may_be_own)
        except OSError as error:
            raise httpx.ConnectError(f"{place[0]}: {error.strerror or error}", request=request) from error

    async def aclose(self) -> None:
        await self._below.aclose()
