"""A substitute for MediaMTX's API over real HTTP, for tests without the binary.

Shapes: MediaMTX 1.20 internal/defs/api_{path,srt}.go and /v3/info, compared with a real one. A test sets the
answers; `hold` delays all of them, `status` and `body` replace them.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class StandIn:
    """Who is connected, and the answers. May be changed while it runs."""

    url: str = ""
    started: str = "2026-11-28T18:00:00.123456Z"
    paths: dict[str, dict[str, Any]] = field(default_factory=dict)
    callers: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(default_factory=list)
    login: tuple[str, str] | None = None
    status: int = 200
    body: bytes | None = None
    hold: threading.Event | None = None
    asked: list[str] = field(default_factory=list)

    def configured(self, *names: str) -> None:
        """Configured paths without a publisher."""
        for name in names:
            self.paths[name] = {
                "name": name,
                "confName": name,
                "ready": False,
                "readyTime": None,
                "available": False,
                "availableTime": None,
                "online": False,
                "onlineTime": None,
                "source": None,
                "tracks": [],
                "tracks2": [],
                "readers": [],
                "inboundBytes": 0,
                "outboundBytes": 0,
                "inboundFramesInError": 0,
            }

    def connect(self, name: str, caller: str, *, tracks: tuple[str, ...] = ("H264", "MPEG-4 Audio")) -> None:
        """An SRT publisher takes the path."""
        since = f"2026-11-28T18:00:{len(self.asked) % 60:02d}.5Z"
        self.paths[name] = {
            "name": name,
            "confName": name,
            "ready": True,
            "readyTime": since,
            "available": True,
            "availableTime": since,
            "online": True,
            "onlineTime": since,
            "source": {"type": "srtConn", "id": caller},
            "tracks": list(tracks),
            "tracks2": [{"codec": track, "codecProps": None} for track in tracks],
            "readers": [],
            "inboundBytes": 1000,
            "outboundBytes": 0,
            "inboundFramesInError": 0,
        }
        self.callers = {each: item for each, item in self.callers.items() if item["path"] != name}
        self.callers[caller] = {
            "id": caller,
            "created": since,
            "remoteAddr": "192.168.10.7:50123",
            "state": "publish",
            "path": name,
            "query": "",
            "user": name,
            "packetsReceived": 10,
            "packetsReceivedLoss": 0,
            "packetsReceivedDrop": 0,
            "bytesReceived": 1000,
            "msRTT": 3.5,
            "mbpsReceiveRate": 8.0,
        }

    def send(self, name: str, count: int, *, packets: int = 0, lost: int = 0, dropped: int = 0) -> None:
        """`count` more bytes have been received."""
        path = self.paths[name]
        path["inboundBytes"] += count
        caller = self.callers[path["source"]["id"]]
        for key, more in (
            ("packetsReceived", packets),
            ("packetsReceivedLoss", lost),
            ("packetsReceivedDrop", dropped),
        ):
            caller[key] += more

    def disconnect(self, name: str) -> None:
        source = self.paths[name]["source"]
        self.callers.pop(source["id"] if source else "", None)
        self.configured(name)

    def answer(self, target: str) -> tuple[int, bytes]:
        if self.body is not None or self.status != 200:
            return self.status, self.body or b""
        parts = urlsplit(target)
        if parts.path == "/v3/info":
            return 200, json.dumps({"version": "v1.20.1", "started": self.started}).encode()
        if parts.path == "/v3/config/global/get":
            settings = {"authMethod": "internal", "authInternalUsers": self.users}
            return 200, json.dumps(settings).encode()
        lists = {"/v3/config/paths/list": {}, "/v3/paths/list": self.paths, "/v3/srtconns/list": self.callers}
        if parts.path not in lists:
            return 404, b'{"status":"error","error":"not found"}'
        query = parse_qs(parts.query)
        page, size = int(query["page"][0]), int(query["itemsPerPage"][0])
        items = list(lists[parts.path].values())
        shown = items[page * size : (page + 1) * size]
        pages = -(-len(items) // size)
        return 200, json.dumps({"itemCount": len(items), "pageCount": pages, "items": shown}).encode()


@contextmanager
def stand_in(port: int = 0) -> Iterator[StandIn]:
    """Serves until the block is left; then the port is closed."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        # HTTP/1.0: no connection outlives its answer, so that a stopped substitute is unreachable
        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            if stand_in.hold is not None:
                stand_in.hold.wait(30)
            status, body = (401, b"{}") if not self._may() else stand_in.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _may(self) -> bool:
            if stand_in.login is None:
                return True
            sent = self.headers.get("Authorization", "").removeprefix("Basic ")
            return base64.b64decode(sent).decode() == ":".join(stand_in.login)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand_in
    finally:
        if stand_in.hold is not None:
            stand_in.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
