"""A token that crossed the network unencrypted is renewed over https, or ends; never during a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.access import codes, revocations
from appliance.access.actor import SEEN_S
from appliance.access.console import leave_code, leave_token
from appliance.access.door import device_cookies
from appliance.access.own.renewals import SAME_S, PlainRule
from appliance.access.registry import OVERLAP_S
from appliance.ops.checks.devices import devices_part
from appliance.server.plain_port import PlainPort
from tests.access.kit import Side, running_side
from tests.kit.box import in_the_loop
from tests.kit.client import Client

DAY_S = 86_400.0
DAYS = 3
PEER = "192.0.2.9"
running = [False]  # a session
PLAIN = PlainRule(DAYS, is_plain=True, is_busy=lambda _: running[0])
TLS = PlainRule(DAYS, is_encrypted=True, is_busy=lambda _: running[0])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    running[0] = False
    for module in (codes, revocations):
        monkeypatch.setattr(module, "in_thread", in_the_loop)
    yield


async def pair(side: Side, scheme: str, role: str = "coach", name: str = "Bench") -> str:
    """The token of a device that was paired from the network."""
    stranger = replace(side.client, peer=PEER, scheme=scheme)
    reply = await stranger.post("/pair", {"code": leave_code(side.state_dir, role, None, 10), "name": name})
    assert reply.status == 201
    return str(reply.json["token"])


def browser(side: Side, token: str, scheme: str = "https", name: str = "appliance_device") -> Client:
    cookie = {"cookie": f"{name}={token}"}
    return replace(side.client, peer=PEER, scheme=scheme, headers=cookie)


def program(side: Side, token: str, scheme: str = "https") -> Client:
    return replace(side.device(token), peer=PEER, scheme=scheme)


def given(reply: Any) -> str | None:
    """The token of the cookie that an answer sets."""
    sent = reply.headers.get("set-cookie", "")
    return sent.partition("__Host-appliance_device=")[2].partition(";")[0] or None


async def works(client: Client) -> bool:
    return (await client.get("/time")).status == 200


async def a_minute() -> None:
    await trio.sleep(SEEN_S + 1)


@asynccontextmanager
async def encrypted(folder: Path, **more: Any) -> AsyncIterator[Side]:
    async with running_side(folder, plain=TLS, **more) as side:
        yield side


async def paired_before(folder: Path, role: str = "coach") -> tuple[str, Any]:
    """(token of a device that was paired before TLS was switched on, the clock)."""
    async with running_side(folder, plain=PLAIN) as side:
        return await pair(side, "http", role), side.clock


async def days_of_use(side: Side, device: Client, days: int) -> None:
    for _ in range(days):
        side.clock.advance(DAY_S)
        assert await works(device)
        await a_minute()


async def test_a_tablet_is_renewed_by_its_first_snapshot_over_https(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        tablet = browser(side, token)
        assert given(await tablet.get("/time")) is None, "the hot path stays as it is"
        reply = await tablet.get("/snapshot")
        new = given(reply)
        assert new is not None and new != token
        cookies = reply.headers["set-cookie"]
        assert "; Secure" in cookies and "appliance_device=; Path=/; Max-Age=0" in cookies
        renewed = browser(side, new, name="__Host-appliance_device")
        assert await works(renewed) and await works(tablet), "requests under way are not refused"
        await a_minute()
        assert not await works(tablet) and await works(renewed)
        assert given(await renewed.get("/snapshot")) == new, "from now on as any cookie"
    async with encrypted(tmp_path, clock=side.clock) as again:  # durable
        assert await works(browser(again, new)) and not await works(browser(again, token))


async def test_nothing_is_renewed_over_http_or_that_was_paired_over_https(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with encrypted(tmp_path) as side:
        clean = await pair(side, "https")
        assert given(await browser(side, clean).get("/snapshot")) == clean
    async with running_side(tmp_path / "plain", plain=PLAIN) as side:
        token = await pair(side, "http")
        reply = await browser(side, token, "http").get("/snapshot")
        assert f"appliance_device={token};" in reply.headers["set-cookie"] and given(reply) is None


async def test_no_tablet_loses_its_access_in_a_game(tmp_path: Path, autojump_clock: MockClock) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        tablet, running[0] = browser(side, token), True
        new = given(await tablet.get("/snapshot"))
        assert new is not None
        await days_of_use(side, browser(side, new), DAYS + 2)
        assert await works(tablet), "also when somebody else was renewed in its place"
        part = devices_part(side.access.registry, tls_settings())
        assert (part.status, "Bench" in part.detail) == ("bad", True), "two use it: the admin is told"
        running[0] = False
        await a_minute()
        assert not await works(tablet)


async def test_an_answer_that_was_lost_locks_nobody_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        tablet = browser(side, token)
        first, second = given(await tablet.get("/snapshot")), given(await tablet.get("/snapshot"))
        assert first == second, "two pages of one browser keep the same, whichever answer is last"
        await trio.sleep(SAME_S + 1)
        third = given(await tablet.get("/snapshot"))
        assert third is not None and third != first
        assert await works(tablet) and await works(browser(side, third))


async def test_a_program_asks_for_its_next_token(tmp_path: Path, autojump_clock: MockClock) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        refused = await program(side, token, "http").post("/devices/self/token")
        assert (refused.status, refused.json["code"]) == (409, "not_encrypted")
        new = (await program(side, token).post("/devices/self/token")).json["token"]
        assert await works(program(side, new))
        again = await program(side, token).post("/devices/self/token")
        assert (again.status, again.json["code"]) == (409, "token_renewed")
        await a_minute()
        assert not await works(program(side, token))
        assert (await program(side, new).post("/devices/self/token")).status == 201, "whenever it wants"


async def test_what_is_not_renewed_ends_after_days_of_use(tmp_path: Path, autojump_clock: MockClock) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        camera = program(side, token)
        part = devices_part(side.access.registry, tls_settings())
        assert part.status == "warn" and f"in {DAYS} days" in part.detail and "Bench" in part.detail
        running[0] = True
        await days_of_use(side, camera, DAYS + 1)
        assert await works(camera), "never during a session"
        running[0] = False
        await a_minute()
        refused = await camera.get("/time")
        assert (refused.status, refused.json["code"]) == (401, "not_paired")
        assert devices_part(side.access.registry, tls_settings()).status == "ok"
    async with encrypted(tmp_path, clock=side.clock) as again:
        assert not await works(program(again, token))


@pytest.mark.parametrize(
    "rule", [PLAIN, PlainRule(0, is_encrypted=True, is_busy=lambda _: False)], ids=["TLS off", "days 0"]
)
async def test_nothing_ends_where_that_was_not_chosen(
    tmp_path: Path, autojump_clock: MockClock, rule: PlainRule
) -> None:
    token, clock = await paired_before(tmp_path)
    async with running_side(tmp_path, plain=rule, clock=clock) as side:
        await days_of_use(side, program(side, token), DAYS + 2)
    async with encrypted(tmp_path, clock=side.clock) as later:
        await days_of_use(later, program(later, token), DAYS - 1)  # from then on it counts anew


async def test_a_token_in_use_without_encryption_is_exposed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One from a file never crossed the network, until a program used it."""

    async def plain_left(side: Side) -> object:
        return await side.store.read(lambda tx: tx.value("SELECT plain_left FROM devices"))

    async with running_side(tmp_path, plain=PLAIN) as side:
        camera = side.device(leave_token(side.state_dir, "coach", "North"))
        await camera.get("/time")
        await a_minute()
        assert await plain_left(side) is None
        assert await works(camera)
        await a_minute()
        assert await plain_left(side) == DAYS


async def test_a_token_that_is_sent_to_the_plain_port_is_exposed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with encrypted(tmp_path) as side:
        token = await pair(side, "https", "capture")
        port = PlainPort(side.client.app, side.client.app.gate, 8443, side.door)  # type: ignore[attr-defined]
        plain = replace(program(side, token, "http"), app=port)
        assert (await plain.post("/channels/cam1/heartbeat")).json["code"] == "tls_required"
        await trio.testing.wait_all_tasks_blocked()
        part = devices_part(side.access.registry, tls_settings())
        assert part.status == "warn" and "Bench" in part.detail


async def test_the_token_before_shows_two_holders_after_a_moment(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    token, clock = await paired_before(tmp_path)
    async with encrypted(tmp_path, clock=clock) as side:
        running[0] = True
        new = given(await browser(side, token).get("/snapshot"))
        assert new is not None and await works(browser(side, new))
        assert await works(browser(side, token))
        assert devices_part(side.access.registry, tls_settings()).status == "warn"
        await trio.sleep(OVERLAP_S + 1)
        assert await works(browser(side, token))
        part = devices_part(side.access.registry, tls_settings())
        assert part.status == "bad" and part.hint is not None and "Remove" in part.hint


async def test_the_encrypted_cookie_comes_before_one_that_a_plain_page_has_set(tmp_path: Path) -> None:
    async with encrypted(tmp_path) as side:
        token = await pair(side, "https")
        both = {"cookie": f"appliance_device=wrong; __Host-appliance_device={token}"}
        assert await works(replace(side.client, scheme="https", headers=both))


def test_a_plain_page_sets_a_cookie_that_browsers_take_beside_an_encrypted_one() -> None:
    (plain,) = device_cookies({"scheme": "http"}, "t")
    assert plain.startswith(b"appliance_device=t;") and b"Secure" not in plain


def tls_settings() -> Any:
    from appliance.box.settings import check_settings

    return check_settings({"server": {"tls": "auto"}})
