"""workers/protocol.py and jobs.py: valid messages, and validation of answers."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.decode.thumbnail import keyframe_jpeg
from appliance.workers import jobs, protocol
from appliance.workers.protocol import (
    Done,
    Failed,
    Progress,
    Sandbox,
    WorkerHello,
    WorkerProtocolError,
    WorkerRequest,
)
from tests.workers.film import first_keyframe, make_film


def test_hello_survives_the_wire() -> None:
    sandbox = Sandbox(1 << 30, "none", 7, True, True, True, False, True)
    hello = WorkerHello(42, sandbox, {"ffmpeg": "8.1"}, ("h264", "hevc"))
    assert protocol.parse_hello(protocol.decode(protocol.encode(protocol.hello_message(hello)))) == hello


def test_a_request_survives_the_wire() -> None:
    job = jobs.ThumbnailJob("h264", b"\x01\x02", 5, 6)
    request = WorkerRequest(3, job.kind, job.args(), job.cpu_s, job.output_bytes)
    assert (
        protocol.parse_request(protocol.decode(protocol.encode(protocol.request_message(request)))) == request
    )


def test_the_three_kinds_of_reply() -> None:
    assert protocol.parse_reply({"id": 1, "progress": 0.5}, job_id=1) == Progress(1, 0.5)
    assert protocol.parse_reply({"id": 1, "result": {"a": 1}}, job_id=1) == Done(1, {"a": 1})
    long = {"id": 1, "error": {"code": "io", "detail": "x" * 9000}}
    assert protocol.parse_reply(long, job_id=1) == Failed(1, "io", "x" * protocol.MAX_DETAIL_CHARS)


@pytest.mark.parametrize("share", ["NaN", "Infinity", "-1e999", "1" + "0" * 400, "true", '"1"', "null"])
def test_numbers_outside_of_their_range_are_refused(share: str) -> None:
    message = protocol.decode(b'{"id": 1, "progress": %s}' % share.encode())
    with pytest.raises(WorkerProtocolError):
        protocol.parse_reply(message, job_id=1)


def test_a_message_too_long_is_refused_on_both_sides() -> None:
    with pytest.raises(WorkerProtocolError):
        protocol.encode({"a": "x" * protocol.MAX_MESSAGE_BYTES})
    with pytest.raises(WorkerProtocolError):
        protocol.decode(b" " * (protocol.MAX_MESSAGE_BYTES + 1))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_protocol_error(packet: bytes) -> None:
    try:
        message = protocol.decode(packet)
        protocol.parse_reply(message, job_id=1)
    except WorkerProtocolError:
        pass


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_names = [
    *jobs.StreamReport.__slots__,
    "duration_s",
    "read_error",
    "streams",
    "size_bytes",
    "connected",
    "opened",
]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_names), _values))
def test_no_answer_raises_anything_but_a_protocol_error(answer: dict[str, object]) -> None:
    output = os.memfd_create("output")
    for job in (jobs.ProbeJob(()), jobs.FrameJob((), 0.0), jobs.SelfcheckJob(1, "")):
        try:
            job.result(answer, [output])
        except WorkerProtocolError:
            pass
    os.close(output)


def test_a_picture_is_accepted_only_when_its_bytes_have_the_reported_size() -> None:
    key = first_keyframe(make_film(frames=1))
    jpeg = keyframe_jpeg(key.codec, key.extradata, key.sample, width_px=160)
    output = os.memfd_create("output")
    os.pwrite(output, jpeg.data, 0)
    size = len(jpeg.data)
    job = jobs.ThumbnailJob("h264", b"", 0, 1)
    honest: dict[str, object] = {"width": 160, "height": 90, "size_bytes": size}
    assert job.result(honest, [output]).data == jpeg.data
    for lie in ({"width": 320}, {"size_bytes": size - 1}, {"size_bytes": 2 << 20}, {"size_bytes": 0}):
        with pytest.raises(WorkerProtocolError):
            job.result({**honest, **lie}, [output])
    os.close(output)


@pytest.mark.parametrize("piece", [None, [0, 0], [0, 0, -1], [0, -1, 5], [1, 0, 5], [-1, 0, 5], [0, 0, True]])
def test_a_piece_of_nothing_is_refused(piece: object) -> None:
    with pytest.raises(WorkerProtocolError):
        jobs.parse_piece(piece, 1)
