"""The messages of /ws, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Ping as PingEvent
from wsproto.events import TextMessage

from appliance.box.live import protocol
from appliance.box.live.protocol import (
    About,
    Bucket,
    Hello,
    Ping,
    ProtocolError,
    parse_hello,
    parse_message,
    resume,
)


@given(payload=st.one_of(st.text(max_size=300), st.integers(65_500, 65_600).map("x".__mul__)))
def test_our_frames_are_frames_to_another_implementation(payload: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(protocol.text_frame(payload.encode()) + protocol.PING_FRAME)
    events = list(client.events())
    assert "".join(event.data for event in events if isinstance(event, TextMessage)) == payload
    assert isinstance(events[-1], PingEvent)


@given(since=st.integers(0, 9000), oldest=st.integers(1, 5000), more=st.integers(-1, 4000))
def test_a_client_resumes_from_kept_entries_and_at_most_2000(since: int, oldest: int, more: int) -> None:
    head = oldest + more
    cursor, recovered = resume(Hello(since, "e"), epoch="e", oldest=oldest, head=head)
    assert recovered is (oldest - 1 <= since <= head and head - since <= 2000)
    assert cursor == (since if recovered else head)


@pytest.mark.parametrize(
    ("about", "understood"),
    [
        ({"rtt_ms": 12, "role": "coach", "edit_lists": "ok"}, About(12.0, "coach", "ok")),
        ({"rtt_ms": True, "role": "x" * 33, "edit_lists": "a\nb"}, About()),
        ({"rtt_ms": -1, "battery": 3}, About()),
        ("coach", None),
    ],
)
def test_what_a_device_reports_of_itself_is_used_as_far_as_it_is_valid(
    about: object, understood: About | None
) -> None:
    assert parse_message(json.dumps({"type": "ping", "id": 1, "about": about})) == Ping(1, understood)


def test_another_epoch_or_none_is_never_resumed() -> None:
    assert resume(Hello(5, "old"), epoch="new", oldest=1, head=9) == (9, False)
    assert resume(Hello(5, None), epoch="new", oldest=1, head=9) == (9, False)
    assert resume(Hello(), epoch="new", oldest=1, head=9) == (9, None)


@pytest.mark.parametrize("query", [b"since=", b"since=x", b"since=-1", b"since=1.5", b"since=" + b"9" * 19])
def test_a_since_that_is_not_a_seq_is_refused(query: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_hello(query)


def test_other_parameters_of_the_query_are_ignored() -> None:
    assert parse_hello(b"client=ipad-4&x=%ff&since=7&epoch=k3") == Hello(7, "k3")


@given(text=st.text())
def test_any_text_is_a_message_or_a_protocol_error(text: str) -> None:
    try:
        parse_message(text)
    except ProtocolError as error:
        assert str(error)


def test_a_lone_surrogate_does_not_break_the_reader() -> None:
    with pytest.raises(ProtocolError):
        parse_message('{"type":"\ud800"}')


def test_a_ping_keeps_its_id_as_it_is() -> None:
    ping = parse_message('{"type":"ping","id":[1,"a"]}')
    assert ping == Ping([1, "a"])
    assert isinstance(ping, Ping)
    assert json.loads(protocol.pong(ping, now_us=0))["id"] == [1, "a"]


def test_a_reason_is_cut_at_a_character() -> None:
    assert protocol.short_reason("é" * 100) == "é" * 61
    assert len(protocol.short_reason("é" * 100).encode()) <= 123


def test_tokens_spent_in_advance_are_waited_for() -> None:
    bucket = Bucket(100.0)
    waits = [bucket.spend(100.0) for _ in range(64)]
    assert waits[:60] == [0.0] * 60 and waits[60:] == pytest.approx([0.05, 0.10, 0.15, 0.20])
    assert not bucket.take(100.15) and bucket.spend(100.25) == pytest.approx(0.0)


def test_the_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    bucket = Bucket(100.0)
    assert sum(bucket.take(100.0) for _ in range(100)) == 60
    assert sum(bucket.take(101.0) for _ in range(100)) == 20
    assert sum(bucket.take(1000.0) for _ in range(100)) == 60
