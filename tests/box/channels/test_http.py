"""The channel's routes, called like the web app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from appliance.box.channels.http import parse_heartbeat
from appliance.box.channels.model import Channel, ChannelIn
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from tests.box.channels.box import Box, open_box

FIELDS = {"id", "name", "input_url", "status", "last_seen_at", "resolution", "framerate"}  # V22
OURS = {"rev", "created_at", "updated_at", "footage", "liveness", "latency_ms", "error_reason", "in_config"}


async def refusal(box: Box, method: str, path: str, **arguments: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        await box.call(method, path, **arguments)
    return refused.value


async def test_a_channel_is_created_inactive_with_every_field(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V22
    async with open_box(tmp_path) as box:
        answer = await box.call("POST", "/channels", body={"id": "cam1", "name": "Sideline"})
        assert answer.status == 201
        made = answer.resource
        assert set(made) >= FIELDS | OURS
        assert Channel.model_validate(made).model_dump() == made
        assert (made["status"], made["footage"], made["liveness"]) == ("inactive", "none", "heartbeat")
        assert (made["last_seen_at"], made["latency_ms"], made["rev"]) == (None, 0, 1)
        assert [event["type"] for event in box.events()] == ["channel_created"]
        assert box.events()[0]["channel"] == made


async def test_the_same_channel_again_is_the_same_and_another_is_refused(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        again = await box.call("POST", "/channels", body={"id": "cam1", "name": "Cam1"})
        assert (again.status, again.resource["status"]) == (200, "active")
        other = await refusal(box, "POST", "/channels", body={"id": "cam1", "name": "Other"})
        assert (other.status, other.code) == (422, "id_reused")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "No id"},
        {"id": "Cam 1", "name": "x"},
        {"id": "cam1"},
        {"id": "cam1", "name": "x", "input_url": "rtmp://host/live"},
        {"id": "cam1", "name": "x", "latency_ms": -1},
        {"id": "cam1", "name": "x", "latency_ms": 1.5},
        {"id": "cam1", "name": "x", "liveness": "ping"},
        {"id": "cam1", "name": "x", "status": "active"},
    ],
)
def test_a_wrong_channel_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChannelIn.model_validate(body)


async def test_activate_and_deactivate_return_the_channel_and_are_events(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V03 V30
    async with open_box(tmp_path) as box:
        await box.add(active=False)
        assert (await box.do("cam1", "activate"))["status"] == "active"
        assert (await box.do("cam1", "deactivate"))["status"] == "inactive"
        events = [(event["status"], event["reason"]) for event in box.events("channel_status")]
        assert events == [("active", "activate"), ("inactive", "deactivate")]
        refused = await refusal(box, "POST", "/channels/{channel_id}/deactivate", channel_id="cam1")
        assert (refused.status, refused.extra["state"]) == (409, "inactive")
        assert "activate" in refused.extra["allowed"]
        assert len(box.statuses()) == 2


async def test_a_fatal_fault_deactivates_the_channel_with_its_reason(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V30
    async with open_box(tmp_path) as box:
        await box.add()
        dead = await box.do("cam1", "error", reason="sensor lost", fatal=True)
        assert (dead["status"], dead["error_cause"], dead["error_reason"]) == (
            "inactive",
            None,
            "sensor lost",
        )
        assert box.events("channel_status")[-1]["reason"] == "sensor lost"
        refused = await refusal(
            box, "POST", "/channels/{channel_id}/error", channel_id="cam1", body={"reason": "again"}
        )
        assert refused.status == 409
        assert (await box.do("cam1", "activate"))["error_reason"] is None


async def test_a_second_fault_changes_the_reason_and_is_no_transition(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        await box.do("cam1", "error", reason="hot")
        await box.do("cam1", "error", reason="hot")
        assert (await box.do("cam1", "error", reason="very hot"))["error_reason"] == "very hot"
        assert box.statuses() == ["active", "error"]
        assert len(box.events("channel_updated")) == 1


async def test_patch_changes_what_was_sent_and_counts_only_changes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        await box.add(input_url="srt://:8891", active=False)
        path = "/channels/{channel_id}"
        body = {"latency_ms": 250, "input_url": None}
        changed = (await box.call("PATCH", path, channel_id="cam1", body=body)).resource
        assert (changed["latency_ms"], changed["input_url"], changed["name"]) == (250, None, "Cam1")
        assert (changed["rev"], changed["liveness"]) == (2, "footage")
        same = (await box.call("PATCH", path, channel_id="cam1", body={"latency_ms": 250})).resource
        assert same["rev"] == 2
        assert len(box.events("channel_updated")) == 1
        stale = await refusal(
            box, "PATCH", path, channel_id="cam1", body={"name": "x"}, caller=Caller(if_match=1)
        )
        assert stale.status == 412


async def test_delete_archives_and_the_id_is_gone_for_ever(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        gone = await box.call("DELETE", "/channels/{channel_id}", channel_id="cam1")
        assert gone.resource == {"id": "cam1", "deleted": True}
        assert box.events()[-1]["type"] == "channel_deleted"
        for method, path, arguments in (
            ("GET", "/channels/{channel_id}", {"channel_id": "cam1"}),
            ("POST", "/channels/{channel_id}/activate", {"channel_id": "cam1"}),
            ("POST", "/channels", {"body": {"id": "cam1", "name": "Cam1"}}),
        ):
            assert (await refusal(box, method, path, **arguments)).status == 410
        assert (await box.call("GET", "/channels")).resource["items"] == []
        assert (await box.row())["archived_us"] is not None  # clips may still show its name


async def test_the_list_is_paged_and_filtered(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        for name in ("b", "a", "c"):
            await box.add(name, active=name == "c")
        first = (await box.call("GET", "/channels", query={"limit": 2})).resource
        assert first["as_of_seq"] == box.store.journal.head
        rest = (await box.call("GET", "/channels", query={"cursor": first["next_cursor"]})).resource
        assert sorted(item["id"] for item in first["items"] + rest["items"]) == ["a", "b", "c"]
        active = (await box.call("GET", "/channels", query={"status": "active"})).resource
        assert [item["id"] for item in active["items"]] == ["c"]


async def test_a_heartbeat_answers_status_time_and_interval(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V04
    async with open_box(tmp_path) as box:
        await box.add()
        answer = await box.beat(body=b'{"ok":true,"sent_at":"2026-11-20T18:59:59Z","dropped_frames":0}')
        assert answer == {
            "status": "active",
            "server_time": "2026-11-20T19:00:00.000000Z",
            "interval_s": 5.0,
        }


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b'{"resolutoin":"x"}', 422, "resolutoin"),
        (b'{"framerate":"fast"}', 422, "framerate"),
        (b'{"bitrate":-1}', 422, "bitrate"),
        (b'{"sent_at":"14:23:15"}', 422, "sent_at"),
        (b"[]", 422, "body"),
        (b"null", 422, "body"),
        (b"{", 400, None),
        (b'{"ok":true,"ok":false}', 400, None),
        (b'{"framerate":NaN}', 400, None),
        (b"[" * 5000, 400, None),
        (b'{"resolution":"' + b"x" * 70_000 + b'"}', 413, None),
    ],
)
async def test_a_wrong_heartbeat_is_refused_naming_the_field_and_does_not_count(
    tmp_path: Path, autojump_clock: MockClock, body: bytes, status: int, field: str | None
) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        with pytest.raises(Refused) as refused:
            await box.beat(body=body)
        assert refused.value.status == status
        assert [each.loc for each in refused.value.errors] == ([field] if field else [])
        assert (await box.get())["last_seen_at"] is None


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"ok":null,"resolution":null}'])
def test_an_empty_heartbeat_is_one(body: bytes) -> None:
    beat = parse_heartbeat(body)
    assert (beat.ok, beat.sent_us, dict(beat.figures)) == (None, None, {})


async def test_an_aborted_heartbeat_does_not_count(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        [route] = box.routes.raw

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there to be answered")

        await route.handler({"type": "http"}, receive, send, {"channel_id": "cam1"})
        assert (await box.get())["last_seen_at"] is None


async def test_a_heartbeat_may_come_in_pieces(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        [route] = box.routes.raw
        pieces = [
            {"type": "http.request", "body": b'{"frame', "more_body": True},
            {"type": "http.request", "body": b'rate":50}', "more_body": False},
        ]

        async def receive() -> Any:
            return pieces.pop(0)

        async def send(message: Any) -> None:
            pass

        await route.handler({"type": "http"}, receive, send, {"channel_id": "cam1"})
        assert (await box.get())["framerate"] == 50.0


@pytest.mark.parametrize(
    "url", ["srt://127.0.0.1:9000", "srt://[::1]:9000", "srt://localhost:9000", "srt://169.254.169.254:80"]
)
async def test_a_camera_at_the_box_itself_is_refused(
    url: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        made = await refusal(box, "POST", "/channels", body={"id": "cam1", "name": "x", "input_url": url})
        await box.add(input_url="srt://10.0.0.9:9000", active=False)
        path = "/channels/{channel_id}"
        changed = await refusal(box, "PATCH", path, channel_id="cam1", body={"input_url": url})
        for refused in (made, changed):
            assert (refused.status, [each.loc for each in refused.errors]) == (422, ["input_url"])
        assert (await box.get())["input_url"] == "srt://10.0.0.9:9000"
