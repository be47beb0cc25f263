"""Addresses of MediaMTX in the settings that cannot be its own, named by their dotted paths. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from appliance.box.mediamtx.client import OWN_NETWORKS
from appliance.kernel.fields import is_loopback
from appliance.network.addresses import BadDestination, check_literal


def contradictions(settings: Any) -> Iterator[str]:
    """MediaMTX's address is the box's own port (it would query itself forever), or none of a MediaMTX.

    MediaMTX usually runs on this machine: loopback is allowed here, unlike for a camera's address.
    """
    own = {settings.server.port: "server.port", settings.server.local_port: "server.local_port"}
    for name in ("api_url", "webrtc_url"):
        text = getattr(settings.mediamtx, name)
        if not text:
            continue
        try:
            url = urlsplit(text)
            host, port = url.hostname or "", url.port or 0
            check_literal(host, OWN_NETWORKS)
        except ValueError:
            yield f"mediamtx.{name}: {text!r} is no address; write it as http://127.0.0.1:9997"
            continue
        except BadDestination as error:
            yield f"mediamtx.{name}: {error}"
            continue
        if url.scheme not in ("http", "https") or not host or url.query or url.fragment:
            yield f"mediamtx.{name}: is not the address of a server; write it as http://127.0.0.1:9997"
        if "@" in url.netloc:  # it would be shown and logged with the address
            yield f"mediamtx.{name}: holds a login; use mediamtx.read_user and mediamtx.read_password"
        if port in own and port and is_loopback(host):
            yield f"mediamtx.{name}: port {port} is {own[port]} of this box; name the port of MediaMTX"
