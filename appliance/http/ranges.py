"""Media by byte ranges: RFC 9110 exactly, as players on tablets require.

Owns: the answer to a GET or HEAD of immutable bytes (206, 416, 304, 412 ...) and the plain ASGI body. The
zero-copy body is in http/sendfile.py; which of the two is chosen once per response. Must not know: clips,
recordings, or where a descriptor came from.

Why not Quart's send_file (measured): `bytes=-100` is a 500, an end past the file promises bytes that never
come, and one process reaches only 280 Mbit/s.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import structlog
import trio

from appliance.http.api import Receive, Scope, Send
from appliance.http.sendfile import (
    STALL_S,
    ConnectionGone,
    FileRange,
    Lost,
    Piece,
    SendfileBody,
    Stalled,
    read_range,
)
from appliance.kernel import json
from appliance.kernel.errors import Refused

__all__ = ["FileRange", "Media", "RangeResponse", "send_media"]

log = structlog.get_logger("media")

CHUNK_BYTES = 256 * 1024  # per body message of the plain path: three copies of it exist per client

_RANGES = re.compile(r"\s*bytes\s*=(.*)", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"([0-9]*)-([0-9]*)", re.ASCII)
_ETAGS = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Media:
    """Immutable bytes: the pieces one after the other are `size` bytes.

    `etag` is the strong validator with its quotes: '"m3"'. The media own the descriptors in `pieces`:
    send_media closes them in any case.
    """

    size: int
    pieces: Sequence[Piece]
    etag: str
    content_type: str = "video/mp4"
    cache_control: str = "no-cache"
    filename: str | None = None  # suggested name when a person saves it
    download: bool = False  # True: save rather than show

    def close(self) -> None:
        """Close every descriptor once."""
        for fd in {piece.fd for piece in self.pieces if isinstance(piece, FileRange)}:
            os.close(fd)

    def cut(self, first: int, end: int) -> list[Piece]:
        """The pieces of bytes [first, end)."""
        cut_pieces: list[Piece] = []
        at = 0
        for piece in self.pieces:
            length = piece.length if isinstance(piece, FileRange) else len(piece)
            low, high = max(first - at, 0), min(end - at, length)
            if low < high:
                cut_pieces.append(
                    FileRange(piece.fd, piece.offset + low, high - low)
                    if isinstance(piece, FileRange)
                    else piece[low:high]
                )
            at += length
        return cut_pieces


@dataclass(frozen=True, slots=True)
class RangeResponse:
    """The outcome of a response. `lost`: the media is shorter than its announced size, or unreadable
    (logged)."""

    status: int
    length: int  # body bytes announced in the head
    sent: int  # body bytes written to the connection
    end: Literal["complete", "gone", "stalled", "lost"]


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    headers: list[tuple[bytes, bytes]]
    first: int = 0
    end: int = 0
    body: bytes | None = None  # a separate body instead of media bytes [first, end)

    @property
    def length(self) -> int:
        return self.end - self.first if self.body is None else len(self.body)


async def send_media(
    scope: Scope, receive: Receive, send: Send, media: Media, *, use_sendfile: bool = True
) -> RangeResponse:
    """Answer one GET or HEAD with `media`, and close its descriptors.

    Raises Refused (412) before anything was answered. A body that cannot be finished closes the connection:
    the client sees a short body, never wrong bytes.
    """
    try:
        head = decide(str(scope["method"]), scope["headers"], media)
        await send({"type": "http.response.start", "status": head.status, "headers": head.headers})
        if scope["method"] == "HEAD" or head.length == 0:
            await send({"type": "http.response.body", "body": b""})
            return RangeResponse(head.status, 0, 0, "complete")
        pieces = media.cut(head.first, head.end) if head.body is None else [head.body]
        fast = SendfileBody.behind(send) if use_sendfile and head.body is None else None
        writer = fast or _PlainBody(receive, send)
        end = await _deliver(writer, pieces, head.length)
        if end == "complete":
            await send({"type": "http.response.body", "body": b""})
        return RangeResponse(head.status, head.length, writer.sent, end)
    finally:
        media.close()


async def _deliver(
    writer: SendfileBody | _PlainBody, pieces: Sequence[Piece], length: int
) -> Literal["complete", "gone", "stalled", "lost"]:
    """Write the body. Returning anything but "complete" leaves the response unfinished on purpose."""
    try:
        await writer.write(pieces, length)
    except Lost as error:
        log.warning("media_lost", reason=str(error))
        return "lost"
    except ConnectionGone:
        return "gone"
    except Stalled:
        return "stalled"
    return "complete"


class _PlainBody:
    """The body as ASGI messages: for every server but the expected version of hypercorn."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.sent = 0

    async def write(self, pieces: Sequence[Piece], length: int) -> None:
        """All of `pieces`, without the final message. Raises Lost, Stalled or ConnectionGone."""
        error: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_gone, nursery.cancel_scope)
            try:
                await self._write(pieces)
            except (Lost, Stalled) as caught:  # raised outside the nursery, without a group
                error = caught
            except trio.TooSlowError:  # the dispatcher's own limit on one message
                error = Stalled()
            nursery.cancel_scope.cancel()
        if error is not None:
            try:
                raise error
            finally:
                del error  # breaks the reference cycle frame - error
        if self.sent < length:
            raise ConnectionGone

    async def _until_gone(self, scope: trio.CancelScope) -> None:
        """Servers ignore writes to a client that has left; only `receive` reports it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _write(self, pieces: Sequence[Piece]) -> None:
        for piece in _split(pieces):
            chunk = await read_range(piece) if isinstance(piece, FileRange) else piece
            with trio.move_on_after(STALL_S) as writing:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            if writing.cancelled_caught:
                raise Stalled
            self.sent += len(chunk)
            await trio.lowlevel.checkpoint()  # a send to a client that has left may not be a checkpoint


def _split(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same bytes in pieces of at most CHUNK_BYTES."""
    for piece in pieces:
        length = piece.length if isinstance(piece, FileRange) else len(piece)
        for at in range(0, length, CHUNK_BYTES):
            size = min(CHUNK_BYTES, length - at)
            if isinstance(piece, FileRange):
                yield FileRange(piece.fd, piece.offset + at, size)
            else:
                yield piece[at : at + size]


# -- the answer (pure) -------------------------------------------------------------------------------


def decide(method: str, headers: Iterable[tuple[bytes, bytes]], media: Media) -> _Head:
    """Status, headers and bytes, in the order of RFC 9110 section 13.2.2. Raises Refused 412."""
    fields = _fields(headers)
    headers_304 = [(b"etag", media.etag.encode()), (b"cache-control", media.cache_control.encode())]
    if "if-match" in fields and not _matches(fields["if-match"], media.etag):
        raise Refused(412, "stale", f"the media is now {media.etag}", "load the clip again")
    if "if-none-match" in fields and _matches(fields["if-none-match"].replace("W/", ""), media.etag):
        return _Head(304, headers_304)
    first, end, status = 0, media.size, 200
    if method == "GET" and "range" in fields and fields.get("if-range", media.etag).strip() == media.etag:
        wanted = parse_range(fields["range"], media.size)
        if wanted is not None and wanted[0] >= wanted[1]:
            return _unsatisfiable(media.size)
        if wanted is not None:
            (first, end), status = wanted, 206
            headers_304.append((b"content-range", b"bytes %d-%d/%d" % (first, end - 1, media.size)))
    return _Head(status, [*headers_304, *_describe(media), *_content_length(end - first)], first, end)


def parse_range(value: str, size: int) -> tuple[int, int] | None:
    """[first, end) of a Range field; None: ignore the field (RFC 9110 section 14.2); empty: unsatisfiable.

    Ignored: other units, malformed ones, several ranges (players never ask for them, and a multipart body
    would cost more code than all the rest).
    """
    match = _RANGES.fullmatch(value)
    specs = [spec.strip() for spec in match[1].split(",") if spec.strip()] if match else []
    spec = _RANGE.fullmatch(specs[0]) if len(specs) == 1 else None
    if spec is None or spec[0] == "-":
        return None
    if not spec[1]:
        wanted = _number(spec[2])
        if wanted and not size:
            return None  # satisfiable by definition, but no Content-Range can express "no bytes"
        return (max(0, size - wanted), size) if wanted else (0, 0)
    first = _number(spec[1])
    last = _number(spec[2]) if spec[2] else size
    if spec[2] and last < first:
        return None
    return (first, min(last + 1, size)) if first < size else (0, 0)


def _number(digits: str) -> int:
    """The number, or one beyond any file size when it has more digits than a file size can have."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else 10**18


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by lower-case name; repeated ones joined by a comma (RFC 9110 section 5.3)."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def _matches(listed: str, etag: str) -> bool:
    """Strong comparison with a list of entity tags: a weak one never matches."""
    if listed.strip() == "*":
        return True
    return any(tag[2] == etag and not tag[1] for tag in _ETAGS.finditer(listed))


def _describe(media: Media) -> list[tuple[bytes, bytes]]:
    described = [(b"content-type", media.content_type.encode()), (b"accept-ranges", b"bytes")]
    if media.filename is not None:
        how = "attachment" if media.download else "inline"
        plain = re.sub(r"[^A-Za-z0-9 ._()-]+", "_", _without_accents(media.filename))
        text = f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(media.filename, safe='')}"
        described.append((b"content-disposition", text.encode()))
    return described


def _without_accents(text: str) -> str:
    """Replaces Atlético by Atletico for clients that only support ASCII; letters without such a form stay."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _content_length(length: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % length)]


def _unsatisfiable(size: int) -> _Head:
    """416 with the size of the media, as a problem document (RFC 9457)."""
    body = json.encode(
        {
            "type": "about:blank",
            "title": "Range Not Satisfiable",
            "status": 416,
            "code": "range_not_satisfiable",
            "detail": f"the media has {size} bytes",
            "hint": "ask for bytes within Content-Range",
        }
    )
    headers = [
        (b"content-range", b"bytes */%d" % size),
        (b"accept-ranges", b"bytes"),
        (b"content-type", b"application/problem+json"),
    ]
    return _Head(416, [*headers, *_content_length(len(body))], body=body)
