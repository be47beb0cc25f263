"""`appliance cloud import`: what is sent, waited for and printed, and every way in which it fails.

Requirements: D20, D23.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance import __main__ as command
from appliance.cloud.client import season_import
from appliance.cloud.client.calls import ServiceRefused
from appliance.cloud.client.season_import import NoSeasonFile, SeasonImport, import_season, read_season_file
from appliance.kernel import json
from tests.kit.asgi import App, serving

ROW = {
    "position": 1, "shared": False, "stage": "", "group": "", "team": "Rovers", "played": 2, "won": 2,
    "drawn": 0, "lost": 0, "goals_for": 5, "goals_against": 1, "goal_difference": 4, "points": 3,
    "adjustment": -3, "zone": "Champions",
}  # fmt: skip
DEFECT = {"line": 7, "code": "unmapped_team", "detail": "Rover is mapped to no team", "hint": "add an alias"}
SUMMARY = {"matches": 3, "created": 2, "changed": 1, "unchanged": 0, "defects": [DEFECT]}
SEASON = SeasonImport(
    Path("one.json"), "league one", {"rules": "default", "provider": "openfootball", "name": ""}
)


class Answers:
    """A service that gives these answers in turn, and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, bytes]] = []
        self.tokens: set[bytes] = set()

    @property
    def app(self) -> App:
        async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode()).rstrip("?")
            self.requests.append((scope["method"], target, body))
            self.tokens.add(dict(scope["headers"]).get(b"x-internal-token", b""))
            status, answer = self.answers.pop(0)
            text = answer if isinstance(answer, bytes) else json.encode(answer)
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": text})

        return app

    async def send(self) -> tuple[bool, list[str], list[str]]:
        """Whether it was applied, what was printed, and the warnings."""
        said: list[str] = []
        warned: list[str] = []
        done, refused = False, None
        async with serving(self.app) as port:
            url = f"http://127.0.0.1:{port}"
            try:
                done = await import_season(SEASON, b"{}", url, "secret", said.append, warned.append)
            except ServiceRefused as error:  # not in the nursery of the server, which would wrap it
                refused = error
        if refused is not None:
            raise refused
        return done, said, warned


async def test_the_table_and_every_defect_by_line() -> None:
    service = Answers(
        (200, {"executionId": "e1", "status": "completed", "summary": SUMMARY}), (200, {"items": [ROW]})
    )
    done, said, warned = await service.send()
    assert done and warned == ["one.json:7: Rover is mapped to no team (add an alias)"]
    assert said[1:] == [
        "3 matches, 2 new, 1 changed, 0 as they were, 1 defect",
        "#  Team    P  W  D  L  Goals  +/-  Pts",
        "1  Rovers  2  2  0  0    5:1   +4   3*  Champions",
    ]
    assert service.requests[0] == (
        "POST",
        "/api/v2/data-provider/tournaments/league%20one/import?rules=default&provider=openfootball",
        b"{}",
    )
    assert service.tokens == {b"secret"}


async def test_a_long_import_is_followed_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(season_import, "_POLL_S", 0.01)
    running = {"executionId": "e 1", "status": "in_progress"}
    service = Answers(
        (202, running),
        (200, running),
        (200, {"status": "completed", "summary": SUMMARY}),
        (200, {"items": []}),
    )
    done, said, _ = await service.send()
    assert done and [line for line in said if line.startswith("Still")]
    assert [path for _, path, _ in service.requests[1:3]] == ["/api/v2/data-provider/executions/e%201"] * 2


async def test_an_execution_that_failed_says_why() -> None:
    defect = {"line": 0, "code": "not_json", "detail": "not a season", "hint": ""}
    failed = {"status": "failed", "summary": {"defects": [defect]}, "error": "no match"}
    done, _, warned = await Answers((200, {"executionId": "e1", **failed})).send()
    assert not done and warned == ["one.json: not a season", "error: no match"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (403, {"error": "Invalid internal service token"}),
            "does not accept the token (set INTERNAL_SERVICE",
        ),
        ((422, {"detail": "rules: no rule-set 'x'; known: brazil, default"}), "known: brazil, default"),
        (
            (422, {"detail": "bad", "errors": [{"loc": "season", "msg": "write 2026-27"}]}),
            "bad; season: write 2026-27",
        ),
        ((502, b"<html>"), "its answer is no JSON (check --url)"),
        ((500, {}), "the service answered 500"),
    ],
)
async def test_what_the_service_refuses_is_told_with_what_to_do(answer: tuple[int, Any], words: str) -> None:
    with pytest.raises(ServiceRefused) as refused:
        await Answers(answer).send()
    assert words in str(refused.value) and "secret" not in str(refused.value)


async def test_defects_that_an_answer_leaves_out_are_read_from_the_report() -> None:
    many = {"executionId": "e1", "status": "completed", "summary": {"defects": [DEFECT] * 500}}
    report = {"rounds": [{"defects": [DEFECT] * 501}]}
    service = Answers((200, many), (200, report), (200, {"items": []}))
    done, said, warned = await service.send()
    assert done and len(warned) == 501 and said[1].endswith("501 defects")
    assert service.requests[1][1] == "/api/v2/data-provider/reports/e1.json"


def run(*words: object) -> int:
    return command._exit_code(["cloud", "import", *map(str, words)])


def test_exit_codes_without_token_file_or_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    given = (file, "--tournament", "one", "--rules", "default")
    monkeypatch.delenv("INTERNAL_SERVICE_TOKEN", raising=False)
    assert run(*given) == 2 and "INTERNAL_SERVICE_TOKEN is not set" in capsys.readouterr().err
    monkeypatch.setenv("INTERNAL_SERVICE_TOKEN", "secret")
    assert run(*given) == 2 and "No such file" in capsys.readouterr().err
    file.write_text("{}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert run(*given, "--url", url) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: no service at {url}: ") and "--url" in told and "secret" not in told
    assert run(file, "--tournament", "one") == 2  # no rules


def test_a_file_that_is_none_of_a_season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    for path in (tmp_path, tmp_path / "empty.txt"):
        with pytest.raises(NoSeasonFile):
            read_season_file(path)
    monkeypatch.setattr(season_import, "_MAX_BYTES", 1)
    (tmp_path / "long.txt").write_text("two")
    with pytest.raises(NoSeasonFile, match="3 bytes"):
        read_season_file(tmp_path / "long.txt")


async def test_an_import_that_never_ends_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    class Running:
        async def request(self, *_: object) -> dict[str, str]:
            return {"executionId": "e1", "status": "in_progress"}

    with pytest.raises(ServiceRefused, match="not ended within 900 s"):
        await season_import._finished(Running(), await Running().request(), lambda _: None)  # type: ignore[arg-type]
