"""Outbound requests: which addresses are called, which redirects are followed, and the errors."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from appliance.network.addresses import Network
from appliance.network.certificates import AUTHORITY_NAME, LEAF_NAME, open_authority, renew_leaf
from appliance.network.outbound import CallFailed, Outbound, parse_url
from appliance.network.tls import now
from tests.network.test_destinations import REFUSED, WHOLE, Names, is_whole, use

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PUBLIC = "93.184.215.14"

PRIVATE = [
    "10.0.0.9",
    "172.16.4.4",
    "172.31.255.255",
    "192.168.1.20",
    "100.64.0.1",  # shared by customers of a provider
    "192.0.0.8",
    "192.0.2.9",  # documentation
    "198.18.0.1",  # measurements between networks
    "192.88.99.1",
    "198.51.100.7",
    "203.0.113.7",
    "167772169",  # 10.0.0.9 as one number, in hexadecimal, in octal, shortened
    "0x0a000009",
    "012.0.0.011",
    "10.9",
    "::ffff:10.0.0.9",
    "::ffff:c0a8:114",
    "::10.0.0.9",
    "64:ff9b::a00:9",  # NAT64
    "64:ff9b:1::a00:9",  # NAT64 of an operator's own
    "2002:a00:9::",  # 6to4
    "2001:0:0:0:0:0:f5ff:fff6",  # Teredo
    "fd12::5",
    "fc00::1",
    "fec0::1",
    "100::1",
    "2001:2::1",
    "3fff::1",
    "2001:db8::9",
]
"""Not refused to a box, which lives in such a network; together with REFUSED the door's table."""

TABLE = [*(host for host, _ in REFUSED), *PRIVATE]

ACCEPTED = [
    PUBLIC,
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "2002:808:808::",
]

BAD_URLS = [
    "",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org/",
    "example.org/x",
    "//example.org/x",
    "http://",
    "http:///x",
    "http://./",
    "http://xn--/",
    "http://example.org@127.0.0.1/",
    "http://user:pass@example.org/",
    "http://@example.org/",
    "http://example.org\\@127.0.0.1/",
    "http://127.0.0.1\\.example.org/",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:-1/",
    "http://example.org:80:80/",
    "http://example.org:8o/",
    "http://exa mple.org/",
    "http://example.org/\r\nhost: x",
    "http://example.org\t/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020.0.1/",
    "http://[::1/",
    "http://[127.0.0.1]/",
    "http://[example.org]/",
    "http://example.org/" + "x" * 2048,
]


def in_url(host: str) -> str:
    return f"[{host.partition('%')[0]}]" if ":" in host else host


class Web:
    """Answers by path, and the requests that arrived: (method, address, Host, path, authorization, body)."""

    def __init__(self, **answers: httpx.Response) -> None:
        self.answers = answers
        self.requests: list[tuple[str, str, str, str, str, bytes]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("authorization", "")
        where = (request.method, request.url.host, request.headers["host"], request.url.path)
        self.requests.append((*where, token, request.content))
        return self.answers.get(request.url.path.strip("/"), httpx.Response(200, content=b"ok"))


def door(web: Web, allowed: Sequence[Network] = ()) -> Outbound:
    return Outbound(allowed, below=httpx.MockTransport(web.answer))


def to(where: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": where})


@pytest.mark.parametrize("host", TABLE)
async def test_no_url_reaches_what_is_not_public(host: str) -> None:
    web = Web()
    for port in ("", ":80", ":8443"):
        with pytest.raises(CallFailed) as failed:
            await door(web).call("GET", f"http://{in_url(host)}{port}/latest/meta-data")
        assert failed.value.code in ("refused", "unreachable", "bad_url")  # the system may know no such form
    assert web.requests == []


@pytest.mark.parametrize("address", [*WHOLE, *filter(is_whole, PRIVATE)])
async def test_no_name_and_no_redirect_leads_to_an_address_that_is_not_public(address: str) -> None:
    use(Names([PUBLIC], [address]))
    web = Web(away=to("https://inside.example/x"))
    with pytest.raises(CallFailed, match=r"inside\.example is .*not called from here"):
        await door(web).call("GET", "https://outside.example/away")
    assert [request[3] for request in web.requests] == ["/away"]


@pytest.mark.parametrize("address", ACCEPTED)
async def test_a_public_address_is_called_by_its_name(address: str) -> None:
    use(Names([address]))
    web = Web()
    answer = await door(web).call("GET", "https://feeds.example:8443/x?y=1#z")
    assert (answer.status, answer.body) == (200, b"ok")
    assert web.requests == [("GET", address, "feeds.example:8443", "/x", "", b"")]


@pytest.mark.parametrize("text", BAD_URLS)
def test_what_is_no_address_is_refused_before_any_look_up(text: str) -> None:
    with pytest.raises(CallFailed) as failed:
        parse_url(text)
    assert failed.value.code == "bad_url"
    assert "pass" not in failed.value.detail


@pytest.mark.parametrize(
    "text", ["http://example.org", "HTTPS://example.org:8443/a?b=c#d", "http://[2606:4700::1]:80/"]
)
def test_ordinary_addresses_are_accepted(text: str) -> None:
    parse_url(text)


async def test_a_listed_network_is_called_and_no_other() -> None:
    web = Web()
    for host in ("127.0.0.1", "127.1", "[::ffff:127.0.0.1]"):
        assert (await door(web, LOOPBACK).call("GET", f"http://{host}:8090/")).status == 200
    for host in ("10.0.0.9", "169.254.169.254", "[::1]", "0.0.0.0"):
        with pytest.raises(CallFailed, match="not called from here"):
            await door(web, LOOPBACK).call("GET", f"http://{host}/")
    assert len(web.requests) == 3


async def test_each_call_resolves_once_and_anew() -> None:
    names = use(Names([PUBLIC], ["8.8.8.8"], ["127.0.0.1"]))
    web = Web()
    async with door(web) as outbound:
        await outbound.call("GET", "http://feeds.example/")
        await outbound.call("GET", "http://feeds.example/")
        with pytest.raises(CallFailed, match="itself"):
            await outbound.call("GET", "http://feeds.example/")
        with pytest.raises(CallFailed, match="itself"):
            await outbound.check("http://feeds.example/")
    assert [request[1] for request in web.requests] == [PUBLIC, "8.8.8.8"]
    assert names.queries == 4


# -- redirects ----------------------------------------------------------------------------------------------


async def test_a_token_is_not_sent_to_another_server() -> None:
    use(Names([PUBLIC]))
    web = Web(a=to("/b"), b=to("https://other.example/c"))
    answer = await door(web).call("GET", "https://one.example/a", headers={"authorization": "Bearer x"})
    assert answer.url == "https://other.example/c"
    assert [(request[2], request[4]) for request in web.requests] == [
        ("one.example", "Bearer x"),
        ("one.example", "Bearer x"),
        ("other.example", ""),
    ]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"x"), (308, "POST", b"x")],
)
async def test_a_body_is_sent_again_only_for_redirects_307_and_308(
    status: int, method: str, body: bytes
) -> None:
    use(Names([PUBLIC]))
    web = Web(a=to("/b", status))
    await door(web).call("POST", "https://one.example/a", body=b"x")
    assert (web.requests[1][0], web.requests[1][5]) == (method, body)


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://one.example/b", "bad_answer"),  # from https
        ("https://other.example/b", "bad_answer"),  # the body of a POST
        ("https://user@one.example/b", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("https://one.example:99999/", "bad_url"),
        ("/a", "too_many_redirects"),
    ],
)
async def test_a_redirect_that_is_not_followed(location: str, code: str) -> None:
    use(Names([PUBLIC]))
    web = Web(a=to(location, 307))
    with pytest.raises(CallFailed) as failed:
        await door(web).call("POST", "https://one.example/a", body=b"x", redirects=2)
    assert failed.value.code == code
    assert len(web.requests) == (3 if code == "too_many_redirects" else 1)


async def test_with_no_redirects_allowed_a_redirect_is_returned() -> None:
    use(Names([PUBLIC]))
    answer = await door(Web(a=to("/b"))).call("POST", "https://one.example/a", redirects=0)
    assert answer.status == 302


# -- limits and failures, with real sockets -----------------------------------------------------------------


@asynccontextmanager
async def serving(
    reply: bytes, *, then_hang: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server of one fixed answer: its address, and the heads of the requests that arrived."""
    heads: list[bytes] = []

    async def serve(socket_stream: trio.SocketStream) -> None:
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = socket_stream
        if tls is not None:
            stream = trio.SSLStream(socket_stream, tls, server_side=True, https_compatible=True)
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError:
                return  # the caller does not accept the certificate
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := await stream.receive_some(4096)):
                return
            head += data
        heads.append(head)
        try:
            await stream.send_all(reply)
            if then_hang:
                await stream.receive_some(1)  # until the caller leaves
        except trio.BrokenResourceError:
            pass
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", heads
        nursery.cancel_scope.cancel()


def reply(body: bytes, *headers: bytes) -> bytes:
    return b"".join([b"HTTP/1.1 200 OK\r\n", *(header + b"\r\n" for header in headers), b"\r\n", body])


async def test_a_real_server_is_called_over_a_connection_of_its_own() -> None:
    async with serving(reply(b"hello", b"content-length: 5")) as (url, heads), Outbound(LOOPBACK) as outbound:
        for _ in range(2):
            assert (await outbound.call("GET", f"{url}/a?b=c")).body == b"hello"
    assert len(heads) == 2
    assert all(head.startswith(b"GET /a?b=c HTTP/1.1\r\n") for head in heads)
    assert b"accept-encoding: identity" in heads[0].lower()


@pytest.mark.parametrize("declared", [True, False])
async def test_a_longer_answer_than_the_limit_is_not_read_to_its_end(declared: bool) -> None:
    headers = (b"content-length: 300000",) if declared else ()
    async with (
        serving(reply(b"x" * 300_000, *headers), then_hang=True) as (url, _),
        Outbound(LOOPBACK) as outbound,
    ):
        with pytest.raises(CallFailed, match="more than 100000 bytes") as failed:
            await outbound.call("GET", f"{url}/a", max_bytes=100_000)
    assert failed.value.code == "too_large"


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async with (
        serving(reply(b"zzzz", b"content-encoding: gzip", b"content-length: 4")) as (url, _),
        Outbound(LOOPBACK) as outbound,
    ):
        with pytest.raises(CallFailed, match="compressed answer"):
            await outbound.call("GET", url)


@pytest.mark.parametrize("sent", [b"", reply(b"some", b"content-length: 9")])
async def test_the_time_is_limited_for_the_whole_call(sent: bytes) -> None:
    """Both before the answer and in the middle of it."""
    async with serving(sent, then_hang=True) as (url, _), Outbound(LOOPBACK) as outbound:
        with pytest.raises(CallFailed, match=r"did not answer within 0\.05 s") as failed:
            await outbound.call("GET", f"{url}/secret-path", timeout_s=0.05)
    assert failed.value.code == "timeout"
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0-x\r\n", reply(b"some", b"content-length: 9")])
async def test_a_broken_answer_has_a_plain_error(sent: bytes) -> None:
    async with serving(sent) as (url, _), Outbound(LOOPBACK) as outbound:
        with pytest.raises(CallFailed, match=r"http://127\.0\.0\.1:\d+ cannot be reached: \w") as failed:
            await outbound.call("GET", f"{url}/secret-path")
    assert failed.value.code == "unreachable"


async def test_an_unused_port_and_an_unknown_name_are_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening
        async with Outbound(LOOPBACK) as outbound:
            with pytest.raises(CallFailed, match="cannot be reached") as failed:
                await outbound.call("GET", f"http://127.0.0.1:{unused.getsockname()[1]}/")
            assert failed.value.code == "unreachable"
            use(Names(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
            with pytest.raises(CallFailed, match=r"feeds\.example: Name or service") as failed:
                await outbound.call("GET", "http://feeds.example/")
            assert failed.value.code == "unreachable"


@pytest.mark.parametrize("name", ["stadium.local", "other.local"])
async def test_a_certificate_is_checked_for_the_name_not_for_the_address(name: str, tmp_path: Path) -> None:
    authority = open_authority(tmp_path, "stadium.local", "Stadium")
    renew_leaf(tmp_path, authority, "stadium.local", [], now())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / LEAF_NAME)
    client = ssl.create_default_context(cafile=tmp_path / AUTHORITY_NAME)
    use(Names(["127.0.0.1"]))
    body = reply(b"hello", b"content-length: 5")
    async with serving(body, tls=server) as (url, heads), Outbound(LOOPBACK, verify=client) as outbound:
        place = url.replace("http://127.0.0.1", f"https://{name}")
        if name == "stadium.local":
            assert (await outbound.call("GET", place)).body == b"hello"
            assert f"\r\nhost: {place.removeprefix('https://')}\r\n".encode() in heads[0].lower()
        else:
            with pytest.raises(CallFailed, match=r"certificate verify failed: Hostname mismatch") as failed:
                await outbound.call("GET", place)
            assert failed.value.code == "unreachable" and heads == []
