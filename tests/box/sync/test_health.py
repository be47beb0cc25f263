"""The cloud's part of /readyz, in plain words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.box.sync.client import open_client
from appliance.box.sync.health import add_figures, cloud_part, try_cloud
from appliance.box.sync.link import Link
from appliance.box.sync.up.actor import Uplink
from appliance.box.sync.up.backlog import Backlog
from appliance.box.sync.up.state import UpState
from appliance.kernel.clock import DAY_US, S_US
from appliance.kernel.errors import Refused, Unavailable
from appliance.ops.metrics import Metrics
from tests.box.sync.up.linked import linked
from tests.kit.clock import KICKOFF_US

STATE = UpState(
    "https://c.example", "b", "j", "e", "the first connection to this cloud", 10, "", None, KICKOFF_US
)


def test_everything_is_sent() -> None:
    link, up = Link("https://c.example", KICKOFF_US), Uplink(STATE)
    link.worked("up", KICKOFF_US)
    part = cloud_part(link, up, 10, KICKOFF_US + 5)
    assert part.status == "ok"
    assert part.detail == "connected to https://c.example since 2026-11-20T19:00Z; everything is sent"


def test_a_box_without_internet_is_not_at_fault() -> None:
    link = Link("https://c.example", KICKOFF_US)
    up = Uplink(STATE, Backlog(400, 2_400_000, KICKOFF_US - 3 * DAY_US))
    link.failed("up", Unavailable("cloud_unreachable", "the cloud cannot be reached", "check the cable"), 7)
    part = cloud_part(link, up, 410, KICKOFF_US)
    assert (part.status, part.hint) == ("warn", "check the cable")
    assert "not connected since 2026-11-20T19:00Z: the cloud cannot be reached" in part.detail
    assert "400 entries (2.4 MB) to send, the oldest 3 days old" in part.detail
    assert part.figures is not None and part.figures["entries"] == 400


@pytest.mark.parametrize(
    "code", ["not_paired", "not_allowed", "not_a_box", "other_site", "other_box", "epoch_superseded"]
)
def test_what_only_a_person_can_correct_is_red_and_says_how(code: str) -> None:
    link = Link("https://c.example", KICKOFF_US)
    link.failed("up", Refused(409, code, "in the cloud's words"), KICKOFF_US)
    part = cloud_part(link, Uplink(STATE), 10, KICKOFF_US)
    assert part.status == "bad" and part.hint and "in the cloud's words" not in part.detail


def test_a_refusal_of_a_newer_cloud_is_shown_in_its_words() -> None:
    link = Link("https://c.example", KICKOFF_US)
    link.failed("up", Refused(410, "too_old", "update the box", "run apt"), KICKOFF_US)
    part = cloud_part(link, Uplink(STATE), 10, KICKOFF_US)
    assert part.status == "bad" and "update the box" in part.detail and part.hint == "run apt"


def test_a_new_epoch_is_red_until_its_snapshot_is_sent_and_shown_for_a_day() -> None:
    link = Link("https://c.example", KICKOFF_US)
    link.worked("up", KICKOFF_US)
    anew = replace(STATE, reason="entry 7 is another one", snapshot_seq=9)
    assert cloud_part(link, Uplink(anew), 10, KICKOFF_US).status == "bad"
    sent = Uplink(replace(anew, snapshot_seq=None))
    assert cloud_part(link, sent, 10, KICKOFF_US + 5 * S_US).status == "warn"
    assert cloud_part(link, sent, 10, KICKOFF_US + 2 * DAY_US).status == "ok"


def test_what_was_too_large_for_the_cloud_is_named() -> None:
    link, up = Link("https://c.example", KICKOFF_US), Uplink(replace(STATE, left_out="clip c1"))
    link.worked("up", KICKOFF_US)
    part = cloud_part(link, up, 10, KICKOFF_US)
    assert part.status == "warn" and part.hint and "left out: clip c1" in part.detail


def test_parked_events_and_the_first_moment() -> None:
    link = Link("https://c.example", KICKOFF_US)
    assert "connecting" in cloud_part(link, Uplink(), 10, KICKOFF_US).detail
    link.worked("up", KICKOFF_US)
    part = cloud_part(link, Uplink(STATE, parked=2), 10, KICKOFF_US)
    assert part.status == "warn" and "2 events could not be applied" in part.detail


def test_a_whole_copy_counts_as_every_entry_and_is_being_sent_only_while_it_is() -> None:
    link = Link("https://c.example", KICKOFF_US)
    up = Uplink(replace(STATE, snapshot_seq=10))
    part = cloud_part(link, up, 10, KICKOFF_US)
    assert "a whole copy is to be sent" in part.detail
    assert part.figures is not None and part.figures["entries"] == 10
    link.worked("up", KICKOFF_US)
    assert "a whole copy is being sent" in cloud_part(link, up, 10, KICKOFF_US).detail
    link.failed("up", Refused(409, "other_box", "x"), KICKOFF_US)
    assert "a whole copy is to be sent" in cloud_part(link, up, 10, KICKOFF_US).detail


def test_nothing_is_said_of_what_was_not_read() -> None:
    part = cloud_part(Link("https://c.example", KICKOFF_US), Uplink(), 10, KICKOFF_US)
    assert "everything is sent" not in part.detail


def test_the_figures() -> None:
    metrics, up = Metrics(), Uplink(STATE, Backlog(5, 900, 1))
    add_figures(metrics, Link("https://c.example", 0), up, lambda: 15)
    text = metrics.render().decode()
    assert "sync_backlog_entries 5.0" in text and "sync_backlog_bytes 900.0" in text
    assert "sync_connected 0.0" in text


@pytest.mark.parametrize(
    ("status", "document", "expected", "words"),
    [
        (
            200,
            {"id": "north", "box_id": "b", "seen_at": "2026-11-20T19:00:00Z"},
            "ok",
            "2026-11-20T19:00:00Z",
        ),
        (200, {"id": "north", "box_id": "another"}, "bad", "another machine"),
        (404, {"code": "not_found", "detail": "no site"}, "ok", "nothing of this site was sent yet"),
        (401, {"code": "not_paired", "detail": "x"}, "bad", "does not accept the token"),
        (503, {"code": "storage_unavailable", "detail": "x"}, "warn", "503"),
        (200, "<html>", "warn", "is not the cloud of this box"),
        (404, {"code": "other_site", "detail": "x"}, "bad", "that of another site"),
    ],
)
async def test_what_doctor_says_of_the_cloud(status: int, document: Any, expected: str, words: str) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=document))
    async with open_client("http://cloud", "t", "b", transport=transport) as client:
        part = await try_cloud(client, "north")
    assert part.status == expected and words in part.detail
    assert (part.hint is None) == (expected == "ok")


async def test_doctor_finds_the_token_of_another_site_in_a_real_cloud(tmp_path: Path) -> None:
    async with linked(tmp_path, site_id="north") as both:
        assert (await try_cloud(both.client, "north")).status == "ok"
    (tmp_path / "other").mkdir()
    async with linked(tmp_path / "other", site_id="south") as both:
        part = await try_cloud(both.client, "south")
        assert part.status == "bad" and "that of another site" in part.detail
