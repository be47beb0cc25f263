"""From a code to a device: POST /pair, /devices, and the delay after a wrong code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.access import core
from appliance.access.console import leave_code, waiting_codes
from appliance.kernel.store import StoreFull
from tests.access.kit import Side


async def test_a_code_of_the_console_makes_one_device(autojump_clock: MockClock, side: Side) -> None:
    code = leave_code(side.state_dir, "coach", None, 10)
    reply = await side.client.post("/pair", {"code": core.shown_code(code).lower(), "name": "Bench iPad"})
    assert reply.status == 201
    assert (reply.json["role"], reply.json["name"]) == ("coach", "Bench iPad")
    cookie = reply.headers["set-cookie"]
    assert reply.json["token"] in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert waiting_codes(side.state_dir) == []
    mark = await side.device(reply.json["token"]).post("/plays")
    assert mark.json == {"created_by": "Bench iPad", "identity": reply.json["device_id"]}
    again = await side.client.post("/pair", {"code": code})
    assert (again.status, again.json["code"], again.json["reason"]) == (403, "wrong_code", "used")


async def test_the_cookie_alone_gives_access(side: Side) -> None:
    reply = await side.client.post("/pair", {"code": leave_code(side.state_dir, "coach", "A", 10)})
    cookie = reply.headers["set-cookie"].partition(";")[0]
    mark = await side.client.post("/plays", headers={"cookie": f"theme=dark; {cookie}; x=y"})
    assert mark.json["created_by"] == "A"


async def test_the_cookie_of_a_device_in_use_is_renewed_once_a_day(side: Side) -> None:
    """A browser forgets it 400 days after it was last set."""
    code = leave_code(side.state_dir, "coach", "A", 10)
    given = (await side.client.post("/pair", {"code": code})).headers["set-cookie"]
    cookie = {"cookie": given.partition(";")[0]}

    async def renewed(path: str, headers: dict[str, str]) -> str | None:
        return (await side.client.get(path, headers=headers)).headers.get("set-cookie")

    assert "Max-Age=34560000" in given
    assert await renewed("/time", cookie) is None, "the hot path stays as it is"
    assert await renewed("/snapshot", cookie) == given
    assert await renewed("/snapshot", cookie) is None, "once a day"
    side.clock.advance(24 * 3600)
    token = cookie["cookie"].partition("=")[2]
    assert await renewed("/snapshot", {"authorization": f"Bearer {token}"}) is None, "no cookie came"
    assert await renewed("/snapshot", {"cookie": "appliance_device=wrong"}) is None
    assert await renewed("/snapshot", cookie) == given


async def test_no_secret_is_stored(side: Side, tmp_path: Path) -> None:
    code = leave_code(side.state_dir, "admin", None, 10)
    assert code not in next((tmp_path / "pairing").iterdir()).read_text()
    _, admin = await side.paired("admin")
    made = await admin.post("/devices/codes", {"role": "coach"}, key="once")
    await side.client.post("/pair", {"code": made.json["code"]}, key="twice")
    token = admin.headers["authorization"].split()[1]
    rows = await side.store.read(
        lambda tx: [tx.all(f"SELECT * FROM {table}") for table in ("devices", "pairing_codes", "idempotency")]
    )
    text = json.dumps(rows)
    assert token not in text and made.json["code"] not in text and len(rows[0]) == 2
    assert rows[2] == [], "an answer with a secret is stored nowhere"


async def test_five_wrong_codes_end_a_code(autojump_clock: MockClock, side: Side) -> None:
    code = leave_code(side.state_dir, "coach", None, 10)
    wrong = code[: core.SELECTOR_CHARS] + ("000" if code[-3:] != "000" else "111")
    for _ in range(core.CODE_TRIES):
        reply = await side.client.post("/pair", {"code": wrong})
        assert (reply.status, reply.json["reason"]) == (403, "wrong")
    reply = await side.client.post("/pair", {"code": code})
    assert (reply.status, reply.json["reason"]) == (403, "ended")


async def test_four_wrong_codes_do_not_end_a_code(autojump_clock: MockClock, side: Side) -> None:
    code = leave_code(side.state_dir, "coach", None, 10)
    wrong = code[: core.SELECTOR_CHARS] + ("000" if code[-3:] != "000" else "111")
    for _ in range(core.CODE_TRIES - 1):
        await side.client.post("/pair", {"code": wrong})
    assert (await side.client.post("/pair", {"code": code})).status == 201


async def test_guesses_elsewhere_neither_end_nor_delay_a_code(autojump_clock: MockClock, side: Side) -> None:
    """Wrong codes, also from the same address, do not block or delay the use of a valid one."""
    code = leave_code(side.state_dir, "coach", None, 10)
    others = [each for each in "0123456789ABC" if each != code[4]]  # all but one character of what counts
    async with trio.open_nursery() as nursery:
        for other in others * 10:
            nursery.start_soon(side.client.post, "/pair", {"code": f"{code[:4]}{other}{code[5:]}"})
        await wait_all_tasks_blocked()
        before_s = trio.current_time()
        assert (await side.client.post("/pair", {"code": code})).status == 201
        assert trio.current_time() - before_s < 0.5
        nursery.cancel_scope.cancel()


async def test_each_wrong_code_of_an_address_is_answered_later(autojump_clock: MockClock, side: Side) -> None:
    costs_s = []
    for _ in range(6):
        before_s = trio.current_time()
        await side.client.post("/pair", {"code": "ZZZZ-ZZZZ"})
        costs_s.append(trio.current_time() - before_s)
    assert costs_s == sorted(costs_s) and costs_s[0] >= 0.5 and costs_s[-1] >= 8.0


async def test_a_code_ends_with_its_minutes(autojump_clock: MockClock, side: Side) -> None:
    _, admin = await side.paired("admin")
    made = await admin.post("/devices/codes", {"role": "coach", "minutes": 5})
    side.clock.advance(5 * 60 + 1)
    reply = await side.client.post("/pair", {"code": made.json["code"]})
    assert (reply.status, reply.json["reason"]) == (403, "expired")


async def test_a_code_for_another_device_has_a_link_and_a_picture_of_it(side: Side) -> None:
    _, admin = await side.paired("admin")
    plain = await admin.post("/devices/codes", {"role": "coach"})
    assert (plain.json["link"], plain.json["qr_svg"]) == (None, None)
    made = await admin.post("/devices/codes", {"role": "coach", "address": "http://box.local:8080"})
    assert made.json["link"] == f"http://box.local:8080/pair?c={made.json['code']}"
    assert made.json["qr_svg"].startswith("<svg ")
    for address in ("javascript:alert(1)", "http://box.local/x", "http://u@box.local", "http://b ox"):
        assert (await admin.post("/devices/codes", {"role": "coach", "address": address})).status == 422


@pytest.mark.parametrize("body", [{}, {"code": "short"}, {"code": "7QK2-M9XT", "role": "admin"}, {"code": 7}])
async def test_the_refusal_of_a_body_without_a_code_names_its_field(
    side: Side, body: dict[str, object]
) -> None:
    reply = await side.client.post("/pair", body)
    assert reply.status == 422 and set(reply.wrong) & {"code", "role"}


async def test_two_devices_never_have_one_name(side: Side) -> None:
    names = []
    for _ in range(3):
        device_id, device = await side.paired("coach", "Tablet " + "x" * 57)
        names.append((await device.post("/plays")).json["created_by"])
    assert len(set(names)) == 3 and all(len(name) <= 64 for name in names)
    _, admin = await side.paired("admin", "Office")
    reply = await admin.patch(f"/devices/{device_id}", {"name": "Office"})
    assert (reply.status, reply.json["code"]) == (409, "name_taken")


async def test_a_rename_keeps_keys_and_changes_created_by(side: Side) -> None:
    """An Idempotency-Key belongs to the device, not to its name."""
    device_id, coach = await side.paired("coach", "iPad")
    _, admin = await side.paired("admin")
    first = await coach.post("/plays", key="k")
    renamed = await admin.patch(f"/devices/{device_id}", {"name": "Sideline"}, if_match='"r1"')
    assert (renamed.status, renamed.json["name"], renamed.headers["etag"]) == (200, "Sideline", '"r2"')
    assert (await coach.post("/plays", key="k")).json == first.json
    assert (await coach.post("/plays")).json["created_by"] == "Sideline"
    stale = await admin.patch(f"/devices/{device_id}", {"name": "x"}, if_match='"r1"')
    assert stale.status == 412


async def test_a_revoked_device_loses_access_at_once(side: Side) -> None:
    device_id, coach = await side.paired("coach")
    _, admin = await side.paired("admin")
    assert (await admin.get("/devices")).json["items"][0]["id"] == device_id
    assert (await admin.delete(f"/devices/{device_id}")).status == 200
    reply = await coach.post("/plays")
    assert (reply.status, reply.json["code"]) == (401, "not_paired")
    assert len((await admin.get("/devices")).json["items"]) == 1
    assert (await admin.delete(f"/devices/{device_id}")).status == 410


async def test_the_time_of_a_devices_last_request_is_shown(autojump_clock: MockClock, side: Side) -> None:
    device_id, coach = await side.paired("coach")
    _, admin = await side.paired("admin")
    assert (await admin.get(f"/devices/{device_id}")).json["last_seen_at"] is None
    side.clock.advance(30)
    await coach.post("/plays")
    seen = (await admin.get(f"/devices/{device_id}")).json["last_seen_at"]
    assert seen.startswith("2026-11-20T19:00:30")
    await trio.sleep(61)
    stored = await side.store.read(
        lambda tx: tx.value("SELECT seen_us FROM devices WHERE id = ?", (device_id,))
    )
    assert stored == side.clock.now_us()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": 3}', "x" * 9000])
async def test_a_file_that_is_not_a_code_is_ignored(side: Side, text: str) -> None:
    code = leave_code(side.state_dir, "coach", None, 10)
    (side.state_dir / "pairing" / "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e.json").write_text(text)
    assert (await side.client.post("/pair", {"code": code})).status == 201


async def test_the_codes_of_an_admin_end_with_its_access(autojump_clock: MockClock, side: Side) -> None:
    thief, stolen = await side.paired("admin", "Stolen")
    _, admin = await side.paired("admin", "Office")
    code = (await stolen.post("/devices/codes", {"role": "admin"})).json["code"]
    assert (await admin.delete(f"/devices/{thief}")).status == 200
    reply = await side.client.post("/pair", {"code": code})
    assert (reply.status, reply.json["reason"]) == (403, "expired")


async def test_a_request_whose_body_comes_after_the_revocation_is_refused(side: Side) -> None:
    thief, stolen = await side.paired("admin", "Stolen")
    _, admin = await side.paired("admin", "Office")
    started, body = trio.Event(), trio.Event()

    async def receive() -> dict[str, object]:
        started.set()
        await body.wait()
        return {"type": "http.request", "body": b'{"role":"admin"}', "more_body": False}

    statuses = list[int]()

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(int(str(message["status"])))

    headers = [
        (b"host", b"box.local"),
        (b"authorization", stolen.headers["authorization"].encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"16"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/devices/codes",
        "query_string": b"",
        "headers": headers,
    }
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stolen.app, scope, receive, send)
        await started.wait()
        assert (await admin.delete(f"/devices/{thief}")).status == 200
        body.set()
    assert statuses == [401]


async def test_a_device_is_revoked_also_while_nothing_can_be_stored(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, stolen = await side.paired("coach", "Stolen")
    _, admin = await side.paired("admin", "Office")

    async def full(closure: object) -> None:
        raise StoreFull

    monkeypatch.setattr(side.store, "write", full)
    assert (await admin.delete(f"/devices/{thief}")).status == 507
    assert (await stolen.get("/time")).status == 401


async def test_an_admins_code_names_the_channel_of_a_capture_device(side: Side) -> None:
    _, admin = await side.paired("admin")
    made = await admin.post("/devices/codes", {"role": "capture", "channel_id": "cam2"})
    assert made.json["channel_id"] == "cam2"
    paired = await side.client.post("/pair", {"code": made.json["code"], "name": "North"})
    device = (await admin.get(f"/devices/{paired.json['device_id']}")).json
    assert (device["role"], device["channel_id"]) == ("capture", "cam2")
    for body in ({"role": "coach", "channel_id": "cam1"}, {"role": "capture", "channel_id": "../x"}):
        reply = await admin.post("/devices/codes", body)
        assert reply.status == 422 and "channel_id" in reply.wrong
