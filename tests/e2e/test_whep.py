"""A WebRTC preview through the real daemon, with a simulated MediaMTX on a socket of its own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit.running import running_box

pytestmark = pytest.mark.slow

OFFER, ANSWER = b"v=0 offer", b"v=0 answer"
LOGIN = "Basic " + base64.b64encode(b"appliance:secret").decode()


class MadeUp(BaseHTTPRequestHandler):
    """Sessions of one path; records the requests."""

    sessions: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("authorization") != LOGIN:
            self._say(401)
        elif self.path != "/cam1/whep" or body != OFFER:
            self._say(404)
        else:
            self.sessions.add("s-1")
            self._say(201, ANSWER, Location=f"{self.path}/s-1")

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._say(204 if self.path.rpartition("/")[2] in self.sessions else 404)

    def do_DELETE(self) -> None:
        secret = self.path.rpartition("/")[2]
        self._say(200 if secret in self.sessions else 404)
        self.sessions.discard(secret)

    def log_message(self, format: str, *args: object) -> None:
        """Suppress the log output."""

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def made_up_mediamtx() -> Iterator[str]:
    MadeUp.sessions = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), MadeUp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_preview_begins_trickles_and_ends_through_the_box(tmp_path: Path) -> None:
    with made_up_mediamtx() as url:
        mediamtx = {"webrtc_url": url, "read_user": "appliance", "read_password": "secret"}
        channels = [{"id": "cam1", "name": "One"}, {"id": "cam2", "name": "Two"}]
        async with running_box(tmp_path, mediamtx=mediamtx, channels=channels) as box, box.http() as http:
            assert (await http.get("/channels/cam1/live"))["whep"] is True
            sdp = {"content-type": "application/sdp"}
            begun = await http.client.post("/channels/cam1/whep", content=OFFER, headers=sdp)
            assert (begun.status_code, begun.content) == (201, ANSWER)
            location = begun.headers["location"]
            assert location == "/channels/cam1/whep/s-1"
            fragment = {"content-type": "application/trickle-ice-sdpfrag"}
            patched = await http.client.patch(location, content=b"a=candidate", headers=fragment)
            assert (patched.status_code, patched.content) == (204, b"")
            assert (await http.client.delete(location)).status_code == 200
            assert (await http.client.delete(location)).status_code == 404
            away = await http.client.post("/channels/cam2/whep", content=OFFER, headers=sdp)
            assert (away.status_code, away.json()["code"]) == (503, "no_publisher")
            assert (await http.get("/time"))["server_time"], "the connection lives on"
