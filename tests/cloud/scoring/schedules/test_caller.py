"""The callers: which requests they send, in which order, and when they stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.scoring.schedules.caller import GIVE_UP_S, CallerFailed, ServiceCaller
from appliance.cloud.scoring.schedules.plan import target_of
from tests.cloud.scoring.providers.calls import outbound

BASE = "http://127.0.0.1:8090"
ROUND = target_of(BASE, "demo", "league", "matchday-1", is_knockout=False)
CUP = target_of(BASE, "demo", "league", "final", is_knockout=True)


@dataclass
class Service:
    """`answers`: in turn by path, then completed; an error is raised."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.partition("/data-provider/")[2]
        self.sent.append(f"{request.method} {path}")
        self.requests.append(request)
        planned = self.answers.get(path, [])
        own = planned.pop(0) if planned else (200, {"executionId": "e1", "status": "completed"})
        if isinstance(own, Exception):
            raise own
        return httpx.Response(own[0], json=own[1])

    def caller(self, environment: str = "demo") -> ServiceCaller:
        return ServiceCaller(outbound(self.answer), lambda: BASE, environment, "shared-demo")


async def test_the_round_then_the_standings_then_the_bracket() -> None:  # B06 D06
    service = Service()
    assert await service.caller().update(ROUND) == ["e1", "e1"]
    round_path, table = "tournaments/league/matches/matchday-1", "tournaments/league/standings"
    assert service.sent == [f"PATCH {round_path}", f"PATCH {table}"]
    assert {request.headers["x-internal-token"] for request in service.requests} == {"shared-demo"}
    assert {request.content for request in service.requests} == {b""}
    assert not any("authorization" in request.headers for request in service.requests)
    cup = Service()
    assert len(await cup.caller().update(CUP)) == 3
    assert cup.sent[-1] == "PATCH tournaments/league/knockouts"
    only = Service()
    await only.caller().redraw(CUP)
    assert only.sent == ["PATCH tournaments/league/knockouts"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((503, {"detail": "storage is away"}), "answered 503: storage is away"),
        ((403, {"error": "Invalid internal service token"}), "answered 403: Invalid internal service token"),
        ((404, {}), "no reason was given"),
        ((200, {"executionId": "e1", "status": "failed", "error": "no answer"}), "e1 failed: no answer"),
        ((302, {}), "answered 302"),
        (httpx.ConnectError("refused"), "cannot be reached"),
    ],
)
async def test_after_a_failure_nothing_more_is_sent(answer: Any, words: str) -> None:  # B06
    service = Service({"tournaments/league/matches/matchday-1": [answer]})
    with pytest.raises(CallerFailed, match=words):
        await service.caller().update(ROUND)
    assert len(service.sent) == 1


async def test_an_update_in_progress_is_polled_until_it_has_ended(autojump_clock: MockClock) -> None:
    path, poll = "tournaments/league/matches/matchday-1", "executions/e7"
    running = {"executionId": "e7", "status": "in_progress"}
    service = Service({path: [(202, running)], poll: [(200, running), (200, running)]})
    await service.caller().update(ROUND)
    table = "PATCH tournaments/league/standings"
    assert service.sent == [f"PATCH {path}", *[f"GET {poll}"] * 3, table]
    failed = Service({path: [(202, running)], poll: [(200, {"status": "failed", "error": "x"})]})
    with pytest.raises(CallerFailed, match="e7 failed: x"):
        await failed.caller().update(ROUND)
    endless = Service({path: [(202, running)], poll: [(200, running)] * 10_000})
    begun_s = trio.current_time()
    with pytest.raises(CallerFailed, match="has not ended"):
        await endless.caller().update(ROUND)
    assert trio.current_time() - begun_s == pytest.approx(GIVE_UP_S, abs=1)
    lost = Service({path: [(202, running)], poll: [(404, {"detail": "none"})]})
    with pytest.raises(CallerFailed, match="404"):
        await lost.caller().update(ROUND)


@pytest.mark.parametrize("base", ["http://127.0.0.1:80900", "http://127.0.0.1", "https://api.other.example"])
async def test_no_other_service_is_called(base: str) -> None:  # B10
    service = Service()
    for target in (
        target_of(base, "demo", "league", "matchday-1", is_knockout=False),
        target_of(BASE, "production", "league", "matchday-1", is_knockout=False),
        {**ROUND, "standingsUrl": f"{base}/x"},
    ):
        with pytest.raises(CallerFailed, match="another environment"):
            await service.caller().update(target)
    assert service.sent == []


async def test_the_daily_routine_asks_the_scheduler() -> None:  # D07 D08
    service = Service({"scheduler": [(200, {"schedules": []}), (422, {"detail": "targetEnv: x"})]})
    target = {"endpoint": f"{BASE}/api/v2/data-provider/scheduler", "targetEnv": "demo"}
    await service.caller().plan(target)
    (request,) = service.requests
    assert request.content == b'{"kind":"daily","targetEnv":"demo"}'
    assert request.headers["x-internal-token"] == "shared-demo"
    with pytest.raises(CallerFailed, match="scheduler: answered 422"):
        await service.caller().plan(target)
