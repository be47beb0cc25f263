"""Resources for one browser test at a box shared by a file: a session, its plays, a page.

Owns: sessions that are created for one test and deleted after it, pages that use their session from their
first script on. Must not know: what is tested.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise, product
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page

from appliance.kernel.clock import from_rfc3339, to_rfc3339, wall_us
from tests.kit.browser import TABLET, errors_of, open_device, open_page, plain_get
from tests.kit.waiting import LIMIT_S, PLAIN

GROUP_S = 1.0  # length of a group of pictures of the demo's cameras


def tell(url: str, path: str, body: object = None, method: str = "POST") -> Any:
    """A request by another device; returns its answer."""
    answer = httpx.request(method, url + path, json=body, **PLAIN)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@dataclass(frozen=True)
class Session:
    """A running session of one test. Its requests come from another device than the test's page."""

    url: str
    id: str
    name: str

    def tell(self, path: str, body: object = None, method: str = "POST") -> Any:
        return tell(self.url, path, body, method)

    def row(self) -> dict[str, Any]:
        return dict(plain_get(f"{self.url}/sessions/{self.id}"))

    def plays(self, include: str = "") -> list[dict[str, Any]]:
        """Its plays, newest first. `include`: "clips"."""
        query = f"session_id={self.id}" + (f"&include={include}" if include else "")
        return list(plain_get(f"{self.url}/plays?{query}")["items"])

    def clips(self) -> list[dict[str, Any]]:
        return list(plain_get(f"{self.url}/clips?session_id={self.id}")["items"])

    def tags(self, play: dict[str, Any]) -> list[dict[str, Any]]:
        return list(plain_get(f"{self.url}/tags?play_id={play['id']}")["items"])

    def play(self, seconds: float = 0.5, ago_s: float = 1.5) -> dict[str, Any]:
        """A complete play that began this long ago; its footage may still be arriving."""
        start = to_rfc3339(wall_us() - round(ago_s * 1e6))
        body = {"session_id": self.id, "start_time": start, "duration_seconds": seconds}
        return dict(self.tell("/plays", body))

    def ready_play(self, seconds: float = 0.5) -> dict[str, Any]:
        """A play of existing footage of every camera, with its complete clips."""
        end_us = recorded_until(self.url, seconds)
        body = {"session_id": self.id, "start_time": to_rfc3339(end_us - round(seconds * 1e6))}
        made = self.tell("/plays", {**body, "duration_seconds": seconds})
        deadline = time.monotonic() + LIMIT_S
        while not whole(play := plain_get(f"{self.url}/plays/{made['id']}?include=clips")):
            assert time.monotonic() < deadline, play
            time.sleep(0.02)
        return dict(play)


def whole(play: dict[str, Any]) -> bool:
    """Every clip can be watched and is complete."""
    return all(clip["stream_url"] and not clip["coverage"]["missing"] for clip in play["clips"])


@contextmanager
def own_session(url: str, name: str = "Game", **fields: object) -> Iterator[Session]:
    """A running session; afterwards it is deleted completely, so that it is never offered to another page."""
    made = tell(url, "/sessions", {"name": name, "type": "game", **fields})
    tell(url, f"/sessions/{made['id']}/start")
    try:
        yield Session(url, made["id"], name)
    finally:
        remove(url, made["id"])


def remove(url: str, session_id: str) -> None:
    """End and delete a session with its contents; a missing one is ignored."""
    httpx.post(f"{url}/sessions/{session_id}/complete", **PLAIN)  # refused where it is not running
    answer = httpx.delete(f"{url}/sessions/{session_id}", params={"force": 1}, **PLAIN)
    assert answer.status_code in (200, 204, 404, 410), answer.text


@contextmanager
def own_page(
    browser: Browser,
    url: str,
    session: Session | None,
    where: str = "",
    *,
    size: dict[str, int] = TABLET,
    prefs: dict[str, object] | None = None,
    **options: object,
) -> Iterator[Page]:
    """A page of another device that works in the session.

    It must have no error except those of its socket, as when the box is down. Its browser is marked as
    honouring edit lists: the self-test has its own tests and is not repeated.
    """
    known = {"session": session.id if session else "", **(prefs or {})}
    page = open_page(browser, f"{url}/{where}", size, known, **options)
    try:
        yield page
        unexpected = [each for each in errors_of(page) if "WebSocket" not in each]
        assert unexpected == [], unexpected  # pytest explains asserts of test files only
    finally:
        page.context.close()


@contextmanager
def own_device(browser: Browser, session: Session) -> Iterator[BrowserContext]:
    """A device that uses the session and opens its pages when the test says so."""
    context = open_device(browser, prefs={"session": session.id})
    try:
        yield context
    finally:
        context.close()


def recorded_until(url: str, seconds: float) -> int:
    """The end of footage this long that every camera has completely, us; waits until there is some.

    A slow synthetic camera skips pictures. One more group of pictures lies before it, so that decoding can
    start.
    """
    channels = [each["id"] for each in plain_get(f"{url}/channels")["items"]]
    deadline = time.monotonic() + LIMIT_S
    spans = cycle([seconds + 3 * GROUP_S, 50.0])  # a long answer only where the newest footage is not regular
    while True:
        within_s = next(spans)
        cameras = [regular(url, each, within_s) for each in channels]
        all_have = [(max(s for s, _ in both), min(e for _, e in both)) for both in product(*cameras)]
        long = [end_us for start_us, end_us in all_have if end_us - start_us > (seconds + GROUP_S) * 1e6]
        if long:
            return max(long)
        assert time.monotonic() < deadline, all_have
        time.sleep(0.05)


def recorded_for(url: str, seconds: float) -> None:
    """Until every camera began to record so long ago, whatever it has left out since."""
    deadline = time.monotonic() + LIMIT_S + seconds
    for channel in plain_get(f"{url}/channels")["items"]:
        while True:
            spans = plain_get(f"{url}/channels/{channel['id']}/timeline")["spans"]
            if spans and from_rfc3339(spans[-1]["end"]) - from_rfc3339(spans[0]["start"]) > seconds * 1e6:
                break
            assert time.monotonic() < deadline, (channel["id"], spans)
            time.sleep(0.05)


def regular(url: str, channel_id: str, within_s: float) -> list[tuple[int, int]]:
    """Spans of a channel's footage of the last `within_s` without a skipped picture, us."""
    start = to_rfc3339(wall_us() - round(within_s * 1e6))
    frames = plain_get(f"{url}/channels/{channel_id}/timeline?frames=1&start={start}")["frames"]
    times = [from_rfc3339(at) for at in frames]
    if len(times) < 2:
        return []
    step_us = sorted(after - before for before, after in pairwise(times))[len(times) // 2 - 1]
    breaks = [n for n, (before, after) in enumerate(pairwise(times)) if after - before > 1.5 * step_us]
    edges = pairwise([-1, *breaks, len(times) - 1])
    return [(times[before + 1], times[last] + step_us) for before, last in edges]
