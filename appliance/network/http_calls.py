"""HTTP calls to a host that somebody else names: to an address that was checked, and to no other.

Owns: the address of each host name, kept until a call fails. Must not know: what is called. Import it where
it is needed: httpx takes 25 ms of a start.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from appliance.network.addresses import Network
from appliance.network.destinations import resolve

_PORTS = {"http": 80, "https": 443}


class CheckedTransport(httpx.AsyncBaseTransport):
    """Names are resolved here, not by the library below: the address that was checked is the one that is
    called, also when the name leads elsewhere a second later. TLS checks the name, not the address.

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
        place = (named.host, named.port or _PORTS[named.scheme])
        request.url = named.copy_with(host=await self._address(place, request))
        request.extensions = {**request.extensions, "sni_hostname": named.host}
        try:
            return await self._below.handle_async_request(request)
        except httpx.TransportError:
            self._addresses.pop(place, None)  # it may have moved
            raise
        finally:
            request.url = named

    async def _address(self, place: tuple[str, int], request: httpx.Request) -> str:
        if place not in self._addresses:
            try:
                found = await resolve(*place, self._allowed, may_be_own=self._may_be_own)
            except OSError as error:
                raise httpx.ConnectError(f"{place[0]}: {error.strerror or error}", request=request) from error
            self._addresses[place] = found
        return self._addresses[place]

    async def aclose(self) -> None:
        await self._below.aclose()
