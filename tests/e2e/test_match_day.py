"""A match day without a person, on PostgreSQL: two processes of the service, one is killed in the middle.

An operator loads a season by the command and names its provider; the scheduler plans the day. Then the
matches are over: the provider's file has their results. The process that asks for it is killed (-9) while the
provider answers. The other one ends the work: table, bracket, report and Slack message are right. Time passes
by moving rows: what is due, and the half minute of a dead process's leases.

Requirements: B01, B07, B08, B14, B17, D15, D25.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.kit import postgres
from tests.kit.ports import free_port
from tests.kit.running import Process, as_toml
from tests.kit.waiting import LIMIT_S, PLAIN, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing()),
]
TOKEN = "shared-by-api-and-caller"
BASE = "/api/v2/data-provider"
NOW = datetime.now(UTC)
# two hours ago; early in a day its beginning: the planner has the matches of the day
KICKOFF = max(NOW - timedelta(hours=2), NOW.replace(hour=0, minute=0))


def season(*, is_over: bool) -> str:
    """Four clubs: a round last week, one today, and a semi-final of the cup; the final follows."""

    def match(
        name: str, at: datetime, home: str, away: str, goals: list[int] | None, **more: Any
    ) -> dict[str, Any]:
        made = {
            "round": name,
            "date": f"{at:%Y-%m-%d}",
            "time": f"{at:%H:%M} UTC",
            "team1": home,
            "team2": away,
        }
        return {**made, **({"score": {"ft": goals}} if goals else {}), **more}

    before, after = KICKOFF - timedelta(days=7), KICKOFF + timedelta(days=7)
    level = {"score": {"ft": [1, 1], "et": [2, 2], "p": [4, 2]}} if is_over else {}
    matches = [
        match("Matchday 1", before, "Rovers", "United", [2, 0]),
        match("Matchday 1", before, "City", "Albion", [1, 1]),
        match("Matchday 2", KICKOFF, "United", "City", [0, 3] if is_over else None),
        match("Matchday 2", KICKOFF, "Albion", "Rovers", [1, 0] if is_over else None),
        match("Semi-finals", before, "Rovers", "Albion", [2, 1], num=5),
        match("Semi-finals", KICKOFF, "City", "United", None, num=6, **level),
        match("Final", after, "W5", "W6", None, num=7),
    ]
    return json.dumps({"name": "Valley League", "matches": matches})


@dataclass
class Outside:
    """What is not ours: the provider's file server and Slack. `holds`: requests for the file wait."""

    text: str
    holds: bool = False
    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    messages: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outside.holds:
                    outside.asked.set()
                    outside.go_on.wait(LIMIT_S)
                self.answer(outside.text.encode())

            def do_POST(self) -> None:
                outside.messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.answer(b"ok")

            def answer(self, body: bytes) -> None:
                try:
                    self.send_response(200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the process that asked was killed

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def outside() -> Iterator[Outside]:
    place = Outside(season(is_over=False))
    server = ThreadingHTTPServer(("127.0.0.1", 0), place.handler())
    server.daemon_threads = True
    place.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield place
    finally:
        place.go_on.set()
        server.shutdown()
        server.server_close()


class Service:
    """One of the equal processes."""

    def __init__(self, folder: Path, name: str, database: str, place: Outside) -> None:
        self.port = free_port()
        url = f"http://127.0.0.1:{place.port}"
        tree = {
            "cloud": {"environment": "demo", "state_dir": str(folder / name)},
            "server": {"port": self.port, "local_port": 0},
            "database": {"url": database, "connections": 4},
            "objects": {"url": f"file:{folder / 'objects'}"},
            "internal": {"token_demo": TOKEN},
            "net": {"allow_private": ["127.0.0.0/8"]},
            "providers": [{"name": "openfootball", "url": url, "rate_s": 0.0}],
            "slack": {"webhook_url": f"{url}/hook"},
        }
        config = folder / f"{name}.toml"
        config.write_text(as_toml(tree))
        self.process = Process(["cloud", "serve", "--config", str(config)], folder / f"{name}.log")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={"x-internal-token": TOKEN},
            json=body,
            **PLAIN,
        )
        assert answer.status_code < 300, answer.text
        is_json = "json" in answer.headers["content-type"]
        return answer.json() if is_json else answer.text

    def is_up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", **PLAIN).status_code == 200
        except httpx.TransportError:
            return False


def wait(condition: Any, what: str) -> None:
    trio.run(lambda: eventually(condition, what=what))


def load_season(folder: Path, service: Service, text: str) -> str:
    """What the command prints."""
    file = folder / "valley.json"
    file.write_text(text)
    words = [
        "cloud",
        "import",
        str(file),
        "--tournament",
        "valley",
        "--rules",
        "default",
        "--name",
        "Valley League",
    ]
    words += ["--url", f"http://127.0.0.1:{service.port}"]
    environment = os.environ | {"INTERNAL_SERVICE_TOKEN": TOKEN}
    command = [sys.executable, "-m", "appliance", *words]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_match_day_ends_right_although_a_process_is_killed(tmp_path: Path) -> None:
    server = postgres.server()
    database = server.empty_database()
    name = re.findall(r"/(\w+)\?", database)[0]
    with outside() as place:
        services = [Service(tmp_path, each, database, place) for each in ("one", "two")]
        try:
            for service in services:
                service.process.launch()
                wait(service.is_up, "the service")
            match_day(tmp_path, place, services, lambda sql: server.run(sql, name))
        finally:
            for service in services:
                service.process.kill_everything()
    for service in services:
        assert "Traceback" not in service.process.output()


def match_day(folder: Path, place: Outside, services: list[Service], run: Any) -> None:
    printed = load_season(folder, services[0], place.text)
    assert "7 matches, 7 new" in printed and "1  Rovers" in printed
    provider = {"providers": {"openfootball": "valley.json"}}
    services[0].ask("PATCH", "/api/v2/tournaments/valley", provider)
    planned = services[0].ask("POST", f"{BASE}/scheduler", {"kind": "daily"})["schedules"]
    assert len(planned) == 2 and all("valley" in each["targetInput"]["roundUrl"] for each in planned)

    place.text, place.holds = season(is_over=True), True  # the matches are over
    run("UPDATE schedules SET due_us = 1 WHERE what <> 'daily'")
    wait(place.asked.is_set, "a request to the provider")
    owners = {row[0] for row in run("SELECT process FROM executions WHERE status = 'in_progress'")}
    (killed,) = (each for each in services if any(f"-{each.process.pid}-" in owner for owner in owners))
    (other,) = (each for each in services if each is not killed)
    killed.process.send(signal.SIGKILL)
    place.holds = False
    place.go_on.set()
    trio.run(killed.process.ended)
    run(f"UPDATE leases SET until_us = 1 WHERE owner LIKE '%-{killed.process.pid}-%'")

    wait(lambda: is_over(other), "the schedules of the day")
    check_results(other)
    check_reported(other, place)


def is_over(service: Service) -> bool:
    schedules = service.ask("GET", f"{BASE}/schedules?limit=100")["items"]
    running = service.ask("GET", f"{BASE}/executions?status=in_progress")["items"]
    return not running and all(each["status"] != "scheduled" for each in schedules if each["kind"] != "daily")


def check_results(service: Service) -> None:
    table = service.ask("GET", "/api/v2/tournaments/valley/standings")["items"]
    assert [(row["position"], row["team"], row["points"], row["goal_difference"]) for row in table] == [
        (1, "City", 4, 3),
        (2, "Albion", 4, 1),
        (3, "Rovers", 3, 1),
        (4, "United", 0, -5),
    ]
    (_, semis), (_, final) = (
        (each["round"], each["ties"])
        for each in service.ask("GET", "/api/v2/tournaments/valley/bracket")["rounds"]
    )
    assert [tie["decided_by"] for tie in semis] == ["score", "penalties"]
    assert (final[0]["home"]["name"], final[0]["away"]["name"]) == ("Rovers", "City")


def check_reported(service: Service, place: Outside) -> None:
    """The run of the killed process is closed as failed; it was run again, with a report and a message."""
    executions = service.ask("GET", f"{BASE}/executions?limit=100")["items"]
    failed = [each for each in executions if each["status"] == "failed"]
    assert failed and all("process" in each["error"] for each in failed)
    again = [each for each in executions if each["repeats"] in {each["id"] for each in failed}]
    assert again and {each["status"] for each in again} == {"completed"}
    report = service.ask("GET", f"{BASE}/reports/{again[0]['id']}.md")
    assert report.startswith("# Valley League: ") and "completed" in report.splitlines()[0]
    wait(lambda: any(again[0]["id"] in json.dumps(each) for each in place.messages), "Slack's message")
