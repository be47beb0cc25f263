"""Byte ranges: the rules as a table, the bytes against a slice, and both transports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from appliance.http import ranges, sendfile
from appliance.http.ranges import FileRange, Media, RangeResponse, parse_range, send_media
from appliance.kernel.errors import Refused
from tests.kit.asgi import FakeServer, request_scope

BYTES = bytes(range(256)) * 4


def media_of(data: bytes = BYTES, **options: Any) -> Media:
    return Media(len(data), [data], '"m3"', **options)


async def answer(media: Media, method: str = "GET", **headers: str) -> FakeServer:
    server = FakeServer()
    await send_media(request_scope(method, **headers), server.receive, server.send, media)
    return server


def open_file(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


def is_closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=990-2000", (990, 1000)),  # clamped, never promising too much
        ("bytes=-100", (900, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("Bytes = 5-7", (5, 8)),  # units are case-insensitive
        ("bytes=5-7,", (5, 8)),  # empty list elements are no ranges
        ("bytes=0-" + "9" * 5000, (0, 1000)),
        ("bytes=" + "0" * 5000 + "1-2", (1, 3)),
        ("bytes=1000-", (0, 0)),
        ("bytes=1000-2000", (0, 0)),
        ("bytes=" + "9" * 5000 + "-", (0, 0)),
        ("bytes=-0", (0, 0)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=0-1,5-6", None),
        ("bytes=0-1, bytes=5-6", None),
        ("bytes=a-b", None),
        ("bytes=1-2-3", None),
        ("bytes=+1-2", None),
        ("bytes=\u0661-\u0662", None),  # digits, but not ASCII ones
        ("lines=0-1", None),
        ("0-1", None),
    ],
)
def test_a_range_field_is_read_as_rfc_9110_says(field: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(field, 1000) == expected


@given(size=st.integers(0, 300), first=st.integers(0, 400), last=st.integers(0, 400))
def test_a_range_never_leaves_the_media(size: int, first: int, last: int) -> None:
    for field in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        span = parse_range(field, size)
        if span is not None and span[0] < span[1]:
            assert 0 <= span[0] < span[1] <= size


async def test_the_first_probe_of_a_tablet_gets_exactly_two_bytes() -> None:
    server = await answer(media_of(cache_control="private, max-age=31536000, immutable"), range="bytes=0-1")
    assert server.status == 206
    assert server.headers == {
        "content-range": "bytes 0-1/1024",
        "content-length": "2",
        "accept-ranges": "bytes",
        "etag": '"m3"',
        "content-type": "video/mp4",
        "cache-control": "private, max-age=31536000, immutable",
    }
    assert server.body == BYTES[:2]


async def test_without_range_all_of_it_is_sent_and_ranges_are_offered() -> None:
    server = await answer(media_of())
    assert (server.status, server.body) == (200, BYTES)
    assert server.headers["accept-ranges"] == "bytes"
    assert "content-range" not in server.headers


async def test_head_says_the_whole_length_and_ignores_range() -> None:
    server = await answer(media_of(), "HEAD", range="bytes=0-1")
    assert (server.status, server.headers["content-length"], server.body) == (200, "1024", b"")
    assert server.headers["accept-ranges"] == "bytes"


async def test_a_range_behind_the_end_is_reported_the_size() -> None:
    server = await answer(media_of(), range="bytes=1024-")
    assert (server.status, server.headers["content-range"]) == (416, "bytes */1024")
    assert server.headers["content-length"] == str(len(server.body))
    assert b"range_not_satisfiable" in server.body


@pytest.mark.parametrize("validator", ['W/"m3"', '"m2"', "Sat, 21 Nov 2026 03:00:00 GMT"])
async def test_if_range_with_anything_but_this_strong_etag_sends_everything(validator: str) -> None:
    server = await answer(media_of(), range="bytes=0-1", if_range=validator)
    assert (server.status, len(server.body)) == (200, 1024)


async def test_if_range_with_this_etag_sends_the_part() -> None:
    server = await answer(media_of(), range="bytes=0-1", if_range='"m3"')
    assert server.status == 206


@pytest.mark.parametrize("validator", ['"m3"', 'W/"m3"', '"m2", "m3"', "*"])
async def test_bytes_that_the_client_has_are_not_sent_again(validator: str) -> None:
    server = await answer(media_of(), if_none_match=validator, range="bytes=0-1")
    assert (server.status, server.body) == (304, b"")
    assert server.headers["etag"] == '"m3"'


@pytest.mark.parametrize("validator", ['"m2"', '"m4"', '"m30"', '"m2", "m4"', "m3"])
async def test_another_cut_that_the_client_has_is_sent(validator: str) -> None:
    assert (await answer(media_of(), if_none_match=validator)).status == 200


async def test_if_match_for_another_cut_is_refused_before_anything_is_sent() -> None:
    server = FakeServer()
    with pytest.raises(Refused) as refused:
        await send_media(request_scope(if_match='"m2"'), server.receive, server.send, media_of())
    assert refused.value.status == 412
    assert server.sent == []


async def test_a_name_with_any_letters_is_offered_for_saving() -> None:
    server = await answer(media_of(filename='Año "7".mp4', download=True))
    assert server.headers["content-disposition"] == (
        "attachment; filename=\"Ano _7_.mp4\"; filename*=UTF-8''A%C3%B1o%20%227%22.mp4"
    )


@given(data=st.data())
def test_any_part_of_any_pieces_is_the_slice_of_their_whole(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=8))
    pieces: list[bytes | FileRange] = []
    whole = b""
    for number, length in enumerate(lengths):
        if number % 2:
            pieces.append(FileRange(9, number, length))  # only split, not read here
            whole += bytes((BYTES * 2)[number : number + length])
        else:
            pieces.append(BYTES[len(whole) : len(whole) + length])
            whole += BYTES[len(whole) : len(whole) + length]
    first = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(first, len(whole)))
    cut = Media(len(whole), pieces, '"m1"').cut(first, end)
    actual = b"".join(
        (BYTES * 2)[piece.offset : piece.offset + piece.length] if isinstance(piece, FileRange) else piece
        for piece in cut
    )
    assert actual == whole[first:end]
    assert all(piece.length if isinstance(piece, FileRange) else piece for piece in cut)


async def test_descriptors_are_closed_whatever_the_answer(tmp_path: Path) -> None:
    for headers in ({}, {"range": "bytes=2000-"}, {"if_none_match": "*"}, {"if_match": '"m1"'}):
        fd = open_file(tmp_path / "f", BYTES)
        media = Media(20, [FileRange(fd, 0, 10), FileRange(fd, 50, 10)], '"m3"')
        server = FakeServer()
        try:
            await send_media(request_scope(**headers), server.receive, server.send, media)
        except Refused:
            pass
        assert is_closed(fd)


async def test_the_body_comes_in_bounded_messages(tmp_path: Path) -> None:
    size = ranges.CHUNK_BYTES * 2 + 5
    server = await answer(Media(size, [FileRange(open_file(tmp_path / "f", bytes(size)), 0, size)], '"m1"'))
    assert [len(message["body"]) for message in server.sent[1:]] == [
        ranges.CHUNK_BYTES,
        ranges.CHUNK_BYTES,
        5,
        0,
    ]


async def test_pages_that_are_not_cached_are_read_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendfile, "_read_cached", lambda *_: None)
    server = await answer(Media(100, [FileRange(open_file(tmp_path / "f", BYTES), 10, 100)], '"m1"'))
    assert server.body == BYTES[10:110]


async def test_a_file_shorter_than_promised_is_never_completed(tmp_path: Path) -> None:
    fd = open_file(tmp_path / "f", BYTES)
    server = FakeServer()
    delivery = await send_media(
        request_scope(), server.receive, server.send, Media(5000, [FileRange(fd, 0, 5000)], '"m1"')
    )
    assert delivery.end == "lost"
    assert not server.is_finished
    assert is_closed(fd)


async def test_a_client_that_leaves_ends_the_body_and_frees_the_file(tmp_path: Path) -> None:
    fd = open_file(tmp_path / "f", BYTES)
    server = FakeServer(blocked=True)
    delivered: list[RangeResponse] = []

    async def run() -> None:
        media = Media(1024, [FileRange(fd, 0, 1024)], '"m1"')
        delivered.append(await send_media(request_scope(), server.receive, server.send, media))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        server.gone.set()
    assert delivered[0].end == "gone"
    assert is_closed(fd)


async def test_a_client_that_accepts_no_byte_is_disconnected(autojump_clock: trio.testing.MockClock) -> None:
    server = FakeServer(blocked=True)
    delivery = await send_media(request_scope(), server.receive, server.send, media_of())
    assert delivery.end == "stalled"
    assert trio.current_time() == pytest.approx(sendfile.STALL_S)


@pytest.mark.parametrize(
    ("method", "headers", "status", "body"),
    [
        ("GET", {}, 200, BYTES),
        ("GET", {"range": "bytes=5-9"}, 206, BYTES[5:10]),
        ("GET", {"range": "bytes=7-7"}, 206, BYTES[7:8]),
        ("GET", {"if_none_match": "*"}, 304, b""),
        ("HEAD", {}, 200, b""),
        ("HEAD", {"range": "bytes=5-9"}, 200, b""),
    ],
)
async def test_every_answer_is_finished_and_says_what_was_sent(
    method: str, headers: dict[str, str], status: int, body: bytes
) -> None:
    server = FakeServer()
    outcome = await send_media(request_scope(method, **headers), server.receive, server.send, media_of())
    assert (server.is_finished, server.body) == (True, body)
    assert outcome == RangeResponse(status, len(body), len(body), "complete")
    if method == "GET" and status != 304:
        assert server.headers["content-length"] == str(len(body))


async def test_a_client_that_has_left_is_noticed_though_writing_to_it_never_waits() -> None:
    server = FakeServer()
    server.gone.set()
    media = media_of(bytes(ranges.CHUNK_BYTES * 3))
    outcome = await send_media(request_scope(), server.receive, server.send, media)
    assert outcome.end == "gone" and not server.is_finished


async def test_media_without_bytes_are_answered_too() -> None:
    server = FakeServer()
    outcome = await send_media(request_scope(), server.receive, server.send, media_of(b""))
    assert (server.is_finished, server.body, outcome) == (True, b"", RangeResponse(200, 0, 0, "complete"))


async def test_a_refused_range_is_a_finished_answer_of_its_own() -> None:
    server = FakeServer()
    scope = request_scope(range="bytes=1024-")
    outcome = await send_media(scope, server.receive, server.send, media_of())
    size = len(server.body)
    assert server.is_finished and outcome == RangeResponse(416, size, size, "complete")
    assert json.loads(server.body)["status"] == 416
    assert server.headers["content-type"] == "application/problem+json"


async def test_lost_media_are_logged(tmp_path: Path) -> None:
    server = FakeServer()
    media = Media(5000, [FileRange(open_file(tmp_path / "f", BYTES), 0, 5000)], '"m1"')
    with capture_logs() as logs:
        await send_media(request_scope(), server.receive, server.send, media)
    assert [each["event"] for each in logs] == ["media_lost"]
