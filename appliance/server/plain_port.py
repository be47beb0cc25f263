"""The plain HTTP port while TLS is on: what a device needs before it trusts the box, and a way to the rest.

Owns: which paths are served without encryption; the certificate of the box's own authority for devices, and
the page with the steps. Must not know: how certificates are made.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.outgoing import Outgoing
from appliance.http.replies import Reply, problem_reply, send_reply
from appliance.http.requests import header_map
from appliance.kernel.errors import Refused
from appliance.server.dispatch import Asgi
from appliance.server.gate import Gate
from appliance.server.pages import TYPES, made_file

PAGE = Path(__file__).with_name("trust.html")
PLAIN_PATHS: Final = frozenset({"/healthz", "/ca.crt", "/ca.mobileconfig", "/trust", "/pair"})
_FILES: Final = "/v/"  # what the pages load


@dataclass(slots=True)
class PlainPort:
    """An ASGI application: `app` for PLAIN_PATHS; other pages are redirected to the same address with https
    on `https_port`, other requests refused."""

    app: Asgi
    gate: Gate
    https_port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "tls_required"})
        elif scope["type"] != "http" or scope["path"] in PLAIN_PATHS or scope["path"].startswith(_FILES):
            await self.app(scope, receive, send)
        else:
            await send_reply(Outgoing(send, "plain"), self._reply(scope))

    def _reply(self, scope: Scope) -> Reply:
        headers = header_map(scope)
        try:
            self.gate.check(scope, headers, unsafe=False)
        except Refused as refused:
            return problem_reply(refused)
        url = self._url(scope, headers.get(b"host", b"").decode("latin-1"))
        if scope["method"] in ("GET", "HEAD"):
            # not a permanent redirect: a browser would remember it after TLS has been switched off
            return Reply(307, b"", b"text/plain", ((b"location", url), (b"cache-control", b"no-store")))
        refusal = Refused(403, "tls_required", "this port serves no data", f"use {url.decode('latin-1')}")
        return problem_reply(refusal)

    def _url(self, scope: Scope, host: str) -> bytes:
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if not name:
            name = str((scope.get("server") or ("localhost",))[0])
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        path = path if path.startswith(b"/") else b"/"  # else it would become part of the host
        query: bytes = scope.get("query_string", b"")
        return f"https://{name}:{self.https_port}".encode("latin-1") + path + (b"?" + query if query else b"")


@dataclass(frozen=True, slots=True)
class Trust:
    """`certificate`: DER. `profile`: the same for iPadOS. `fingerprint`: SHA-256 as devices show it.
    `address`: to open afterwards, as "https://stadium.local:8443"."""

    title: str
    certificate: bytes
    profile: bytes
    fingerprint: str
    address: str


def trust_routes(trust: Trust) -> Routes:
    """GET /trust, /ca.crt and /ca.mobileconfig."""
    routes = Routes("trust")
    page = PAGE.read_text(encoding="utf-8")
    for name, value in (
        ("title", trust.title),
        ("fingerprint", trust.fingerprint),
        ("address", trust.address),
    ):
        page = page.replace("{{" + name + "}}", html.escape(value))
    document = made_file(page.encode(), TYPES[".html"])

    async def steps(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, document.reply(header_map(scope)))

    async def certificate(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, _file(trust.certificate, b"application/x-x509-ca-cert", b"box-ca.crt"))

    async def profile(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, _file(trust.profile, b"application/x-apple-aspen-config", b"box.mobileconfig"))

    routes.raw += [
        RawRoute("GET", "/trust", steps, "How a device is made to trust the box.", media_type="text/html"),
        RawRoute(
            "GET", "/ca.crt", certificate, "The box's authority.", media_type="application/x-x509-ca-cert"
        ),
        RawRoute(
            "GET",
            "/ca.mobileconfig",
            profile,
            "The box's authority, for iPadOS.",
            media_type="application/x-apple-aspen-config",
        ),
    ]
    return routes


def _file(body: bytes, media_type: bytes, name: bytes) -> Reply:
    disposition = (b"content-disposition", b'attachment; filename="%b"' % name)
    return Reply(200, body, media_type, ((b"cache-control", b"no-store"), disposition))
