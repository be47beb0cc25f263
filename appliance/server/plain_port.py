"""The plain HTTP port while TLS is on: what a device needs before it trusts the box, and redirects to https.

Owns: which paths are served without encryption; the certificate of the box's own authority for devices, and
the page with the steps. Must not know: how certificates are made.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from appliance.http.access import Door
from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.outgoing import Outgoing
from appliance.http.replies import Reply, problem_reply, send_reply
from appliance.http.requests import header_map
from appliance.kernel.errors import Refused
from appliance.server.dispatch import Asgi
from appliance.server.gate import Gate
from appliance.server.pages import TYPES, File, made_file

PAGE = Path(__file__).with_name("trust.html")
PLAIN_PATHS: Final = frozenset({"/healthz", "/ca.crt", "/ca.mobileconfig", "/trust", "/trust.js"})
# No token may be sent here: this page shows the steps and links to the encrypted page, where codes are
# entered.
_PAIR: Final = "/pair"
_FILES: Final = "/v/"  # of a page that the browser kept from the time before TLS
_STEPS: Final = "<!-- own authority -->"  # encloses what a device needs for the box's own authority only
# The page asks whether the encrypted port answers without a warning, by any name of the box.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:;"
    " connect-src https://*:{port}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(slots=True)
class PlainPort:
    """An ASGI application: `app` for PLAIN_PATHS, and its /trust for a device that is to be paired; other
    pages are redirected to the same address with https on `https_port`, other requests refused."""

    app: Asgi
    gate: Gate
    https_port: int
    door: Door | None = None  # reports tokens that are sent here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "tls_required"})
        elif scope["type"] == "http" and scope["path"] == _PAIR and scope["method"] in ("GET", "HEAD"):
            await self.app({**scope, "path": "/trust"}, receive, send)
        elif scope["type"] != "http" or scope["path"] in PLAIN_PATHS or scope["path"].startswith(_FILES):
            await self.app(scope, receive, send)
        else:
            if self.door is not None:
                self.door.expose(scope, header_map(scope))
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
    """What a new device needs. `address`: the page to open afterwards, as "https://stadium.local:8443". Of
    the box's own authority: `certificate` (DER), `profile` (the same for iPadOS), `fingerprint` (SHA-256 as
    devices show it); all empty where the certificate is from another authority."""

    title: str
    address: str
    certificate: bytes = b""
    profile: bytes = b""
    fingerprint: str = ""


def trust_routes(trust: Trust, https_port: int) -> Routes:
    """GET /trust and /trusted; with an authority of the box's own /ca.crt and /ca.mobileconfig."""
    routes = Routes("trust")
    document = _page(trust, https_port)

    async def steps(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, document.reply(header_map(scope)))

    async def trusted(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        # the page of the plain port is of another origin
        headers = ((b"access-control-allow-origin", b"*"), (b"cache-control", b"no-store"))
        await send_reply(send, Reply(200, b"{}", headers=headers))

    routes.raw += [
        RawRoute("GET", "/trust", steps, "How a device is made to trust the box.", media_type="text/html"),
        RawRoute("GET", "/trusted", trusted, "That the asking device trusts the box."),
        *([_file_route(*file) for file in _files(trust)] if trust.certificate else []),
    ]
    return routes


def _page(trust: Trust, https_port: int) -> File:
    page = PAGE.read_text(encoding="utf-8")
    if not trust.certificate:
        page = "".join(page.split(_STEPS)[::2])
    for name, value in (
        ("title", trust.title),
        ("fingerprint", trust.fingerprint),
        ("address", trust.address),
        ("port", str(https_port)),
    ):
        page = page.replace("{{" + name + "}}", html.escape(value))
    return replace(made_file(page.encode(), TYPES[".html"]), policy=_POLICY.format(port=https_port))


def _files(trust: Trust) -> list[tuple[str, str, str, Reply]]:
    """(path, summary, media type, answer) of the authority in its two forms."""
    named = (
        ("/ca.crt", "The box's authority.", "application/x-x509-ca-cert", "box-ca.crt", trust.certificate),
        (
            "/ca.mobileconfig",
            "The box's authority, for iPadOS.",
            "application/x-apple-aspen-config",
            "box.mobileconfig",
            trust.profile,
        ),
    )
    return [(path, summary, kind, _file(body, kind, name)) for path, summary, kind, name, body in named]


def _file_route(path: str, summary: str, media_type: str, reply: Reply) -> RawRoute:
    async def file(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, reply)

    return RawRoute("GET", path, file, summary, media_type=media_type)


def _file(body: bytes, media_type: str, name: str) -> Reply:
    disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode("ascii"))
    return Reply(200, body, media_type.encode("ascii"), ((b"cache-control", b"no-store"), disposition))
