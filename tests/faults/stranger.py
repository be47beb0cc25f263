"""What somebody in the stadium's network may try without a token: rows 22 to 27 of the fault matrix.

Each attack returns how many things it tried, and what the box should not have done. Owns: the requests and
the expected refusals. Must not know: how the box is started (second_namespace.py).
"""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import trio

from appliance.box.domains import access_rows
from appliance.box.permissions import box_matrix
from tests.faults.line import ANSWER_S, NAME, Line, Report

SLOW_SOCKETS = 100
CLOSED_S = 15.0  # the box closes a silent or slow connection within 5 s; the machine may be busy
PLAIN_ANSWERS = {307: "", 403: "tls_required"}  # of the plain port while TLS is on


@dataclass(frozen=True)
class Place:
    """Where the box is attacked. `plain`: its other port, where TLS is on. `operator`: a token, for what an
    operator's stolen tablet may try. `closed`: ports that must not be reachable. `srt_port`: of a camera."""

    line: Line
    plain: Line | None
    operator: str
    srt_port: int
    closed: tuple[int, ...]


Attack = Callable[[Place, Random], Awaitable[Report]]


def rules() -> Iterator[tuple[str, str, bool]]:
    """(method, path, whether it is open to everybody) of every route of the box."""
    for rule, row in sorted(box_matrix(access_rows()).rows.items()):
        method, path = rule.split()
        if method != "DO":
            yield ("GET" if method == "WS" else method), re.sub(r"\{\w+\}", "cam1", path), row.public


async def every_route(place: Place, dice: Random) -> Report:
    """Nobody without a token reads, changes or stops anything; with TLS on not by the other port either."""
    report = Report()
    for method, path, is_public in rules():
        body = b"" if method == "GET" else b'{"name":"x"}'
        if not is_public:
            for verb in ("GET", "HEAD") if method == "GET" else (method,):
                reply = await place.line.ask(verb, path, body)
                allowed = {401, 426} if path.endswith(("/ws", "/live")) else {401}
                report.expect(reply.status in allowed, (verb, path, reply))
        if place.plain is not None and not is_public:
            reply = await place.plain.ask(method, path, body)
            is_refused = PLAIN_ANSWERS.get(reply.status, "-") == reply.code
            report.expect(is_refused, ("plain", method, path, reply))
    for port in place.closed:
        try:
            stream = await Line(place.line.host, port, place.line.source).connect()
        except OSError:
            report.expect(True, port)
        else:
            await stream.aclose()
            report.expect(False, f"port {port} is reachable")
    return report


FORGED: tuple[Mapping[str, str], ...] = (
    {"host": "localhost"},
    {"host": "127.0.0.1"},
    {"host": "evil.example"},
    {"host": f"{NAME}.evil.example"},
    {"x_forwarded_for": "127.0.0.1"},
    {"x_real_ip": "127.0.0.1", "host": "localhost"},
    {"forwarded": "for=127.0.0.1;host=localhost"},
    {"authorization": "Bearer sb1_" + "A" * 43},
    {"authorization": "Basic YWRtaW46YWRtaW4="},
    {"cookie": "appliance_device=sb1_x"},
    {"cookie": "__Host-appliance_device=sb1_x"},
    {"x_client": "admin", "x_internal_token": "admin"},
    {"origin": "http://evil.example"},
    {"sec_fetch_site": "cross-site"},
)


READ_OR_CHANGE = (("GET", "/sessions"), ("POST", "/plays"), ("GET", "/readyz"), ("GET", "/devices"))


async def forged(place: Place, dice: Random) -> Report:
    """What a request claims of itself opens nothing; a name or page that is not the box's is refused."""
    report = Report()
    for fields in FORGED:
        for method, path in (
            ("GET", "/sessions"),
            ("POST", "/plays"),
            ("GET", "/readyz"),
            ("GET", "/devices"),
        ):
            reply = await place.line.ask(method, path, b"{}" if method == "POST" else b"", **fields)
            report.expect(reply.status in (401, 403, 421), (fields, method, path, reply))
    for key in ("", "A" * 43, secrets.token_urlsafe(32)):
        reply = await place.line.ask("GET", f"/channels/cam1/frame.jpg?k={key}")
        report.expect(reply.status == 401, ("a media key", key, reply))
    return report


async def malformed(place: Place, dice: Random) -> Report:
    """Row 22: bodies that are no JSON, too deep or too large. /pair alone reads a stranger's body."""
    report = Report()
    deep = b"[" * 50_000 + b"]" * 50_000
    bodies = (b"{", b"\xff\xfe", b'{"code": NaN}', deep[:60_000], b'{"code":"A","code":"B"}', b"null", b'"x"')
    for body in bodies:
        reply = await place.line.ask("POST", "/pair", body)
        report.expect(reply.status in (400, 413, 422), (body[:40], reply))
        reply = await place.line.ask("POST", "/plays", body)
        report.expect(reply.status == 401, ("a stranger's body is not read", body[:40], reply))
    for path, statuses in (("/pair", {413}), ("/clips", {401})):
        reply = await place.line.ask(
            "POST", path, b"", content_type="application/json", content_length="1000000000"
        )
        report.expect(reply.status in statuses, (path, "claims a gigabyte", reply))
        head = f"POST {path} HTTP/1.1\r\nHost: {place.line.host}\r\nTransfer-Encoding: chunked\r\n"
        data = (
            f"{head}Content-Type: application/json\r\n\r\n".encode() + b"10000\r\n" + b"x" * 65536 + b"\r\n"
        )
        reply = await place.line.send(data + b"10000\r\n" + b"x" * 65536)
        report.expect(reply.status in statuses, (path, "chunks without an end", reply))
    for data in (
        b"\x00" * 4096,
        b"GET /sessions HTTP/9.9\r\nConnection: close",
        b"GET " + b"a" * 100_000,
        b"\x16\x03\x01\x02\x00",
    ):
        reply = await place.line.send(data + b"\r\n\r\n")
        report.expect(reply.status in (0, 400, 401, 414, 421, 431, 501, 505), (data[:20], reply))
    return report


async def slow(place: Place, dice: Random) -> Report:
    """Row 23: connections that send nothing, or a byte at a time, are closed."""
    report = Report()
    head = f"GET /healthz HTTP/1.1\r\nHost: {place.line.host}\r\nX-Slow: "
    body = f"POST /pair HTTP/1.1\r\nHost: {place.line.host}\r\nContent-Length: 4000\r\n\r\n"
    tcp = Line(place.line.host, place.line.port, place.line.source)  # also of TLS: before its handshake

    async def one(line: Line, start: str) -> None:
        with trio.move_on_after(CLOSED_S) as patience:
            try:
                stream = await line.connect()
            except OSError:
                report.expect(True, "refused")
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_trickle, stream, start.encode())
                try:
                    while await stream.receive_some(4096):
                        pass
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
                nursery.cancel_scope.cancel()
        report.expect(not patience.cancelled_caught, f"{start[:10]!r} was still open after {CLOSED_S} s")

    async with trio.open_nursery() as nursery:
        for number in range(SLOW_SOCKETS):
            line, start = ((tcp, ""), (place.line, head), (place.line, body))[number % 3]
            nursery.start_soon(one, line, start)
    return report


async def _trickle(stream: trio.abc.Stream, start: bytes) -> None:
    try:
        if start:
            await stream.send_all(start)
        while start:
            await trio.sleep(0.5)
            await stream.send_all(b"a")
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def sockets(place: Place, dice: Random) -> Report:
    """Row 24: /ws without a token gets no event and ends; a huge first message ends it too."""
    report = Report()
    for first in (b"", _frame(b'{"type":"auth","token":"x"}'), _frame(b"a" * 70_000), _frame(b"{}") * 200):
        got = await _socket(place.line, "/ws?since=0&epoch=x", first)
        is_over = got.startswith(b"HTTP/1.1 101") and b'"seq"' not in got and b"connected" not in got
        report.expect(is_over or got.startswith(b"HTTP/1.1 40"), ("/ws", first[:20], got[:300]))
    got = await _socket(place.line, "/channels/cam1/live", b"")
    report.expect(got.startswith(b"HTTP/1.1 401"), ("live pictures", got[:300]))
    if place.plain is not None:
        got = await _socket(place.plain, "/ws", b"")
        report.expect(not got.startswith(b"HTTP/1.1 101"), ("/ws of the plain port", got[:300]))
    return report


def _frame(payload: bytes) -> bytes:
    """A text frame of a client, masked with zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8, "big")
    if 126 <= size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + payload


async def _socket(line: Line, path: str, first: bytes) -> bytes:
    """All that a WebSocket client gets until it is closed."""
    head = f"GET {path} HTTP/1.1\r\nHost: {line.host}:{line.port}\r\nUpgrade: websocket\r\n"
    head += "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    head += "Sec-WebSocket-Version: 13\r\n\r\n"
    got = b""
    with trio.move_on_after(ANSWER_S) as patience:
        stream = await line.connect()
        try:
            await stream.send_all(head.encode() + first)
            while more := await stream.receive_some(1 << 16):
                got += more
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)
    return got + (b" STILL OPEN, connected" if patience.cancelled_caught else b"")


PATHS = """
/../../etc/passwd /..%2f..%2fetc%2fpasswd /v/../../../box.db /%2e%2e/state/box.db //etc/passwd
/v/ /static/ /recordings/ /clips/..%2f..%2fbox.db/stream /clips/%00/thumbnail /.git/config
/channels/..%2f/frame.jpg /channels/cam1%00/frame.jpg /channels/../../etc/timeline /tls/authority.key
"""


async def paths(place: Place, dice: Random) -> Report:
    """Row 25: no path leads to a file of the machine, and no folder is listed."""
    report = Report()
    for line in (place.line, place.plain):
        for path in PATHS.split():
            if line is None:
                continue
            reply = await line.ask("GET", path)
            is_refused = reply.status in (307, 400, 401, 403, 404)
            report.expect(is_refused and b"root:" not in reply.body, (path, reply))
    return report


ADDRESSES = """
srt://127.0.0.1:9080 srt://localhost:9080 srt://[::1]:9080 srt://[::ffff:127.0.0.1]:9080 srt://0.0.0.0:9000
srt://2130706433:9000 srt://0x7f000001:9000 srt://127.1:9000 srt://169.254.169.254:80 srt://[fe80::1]:9000
http://169.254.169.254/latest/meta-data file:///etc/passwd concat:/etc/passwd rtsp://127.0.0.1:554/
"""  # the box's own addresses are refused when they are called, because they change (network/destinations.py)


async def inner_addresses(place: Place, dice: Random) -> Report:
    """Row 26: nobody makes the box call itself or the inside of its network, an operator neither."""
    report = Report()
    for url in ADDRESSES.split():
        body = json.dumps({"id": f"x{dice.randrange(10**9)}", "name": "x", "input_url": url}).encode()
        reply = await place.line.ask("POST", "/channels", body)
        report.expect(reply.status == 401, ("a stranger", url, reply))
        reply = await place.line.ask("POST", "/channels", body, token=place.operator)
        report.expect(reply.status == 422, ("an operator", url, reply))
    return report


async def media(place: Place, dice: Random) -> Report:
    """Row 27: nobody can bring a file; what is no video at a camera's port harms nothing."""
    report = Report()
    for method, path in (
        ("PUT", "/clips/x/stream"),
        ("POST", "/recordings/cam1"),
        ("PUT", "/channels/cam1/x.mp4"),
    ):
        reply = await place.line.ask(method, path, b"#EXTM3U\nfile:///etc/passwd")
        report.expect(reply.status in (401, 404, 405), (method, path, reply))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((place.line.source, 0))
        for _ in range(2000):
            data = dice.randbytes(dice.randrange(1, 1400))
            if dice.random() < 0.5:  # looks like the first packet of a handshake
                data = b"\x80\x00\x00\x00" + data
            try:
                sock.sendto(data, (place.line.host, place.srt_port))
            except OSError:  # nobody listens any more
                report.expect(False, "the camera's port is closed")
                break
            report.tried += 1
    return report


async def codes(place: Place, dice: Random) -> Report:
    """Guessing: no code and no token is found, and the answers do not tell how near a guess was."""
    report = Report()

    async def guess() -> None:
        code = "".join(dice.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(8))
        reply = await place.line.ask("POST", "/pair", json.dumps({"code": code}).encode())
        is_refused = (reply.status, reply.code) in ((403, "wrong_code"), (503, "too_many_codes"))
        report.expect(is_refused, (code, reply))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(guess)
    return report


ATTACKS: Mapping[str, Attack] = {
    "every route": every_route,
    "forged headers": forged,
    "22 malformed": malformed,
    "23 slow": slow,
    "24 sockets": sockets,
    "25 paths": paths,
    "26 inner addresses": inner_addresses,
    "27 media": media,
    "codes": codes,
}
