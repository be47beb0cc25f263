"""A box in a network namespace of its own, and a stranger in another: scripts/faults --only stranger.

Owns: the namespaces, the box, a coach's tablet that works meanwhile, and what must hold afterwards. The
stranger's process makes both; when it ends, nothing of them is left. Needs root: elsewhere it says so and
tries nothing.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio

from appliance.access.console import leave_code, leave_token
from tests.faults.line import NAME, Line
from tests.faults.stranger import ATTACKS, Place
from tests.faults.tally import Tally
from tests.kit.bottleneck import BOX, VIEWER, apart, missing
from tests.kit.running import Box

TABLET = "10.77.0.3"
PORT, TLS_PORT, LOCAL_PORT, SRT_PORT = 8080, 8443, 9080, 8891
MARK_S = 0.1


async def stranger(rounds: int, seed: int, folder: Path) -> Tally:
    """Every attack, with TLS off and on in turn."""
    tally = Tally()
    if (why_not := missing()) is not None:
        print(f"SKIPPED stranger: {why_not}", file=sys.stderr)
        return tally
    for number in range(rounds):
        tls = ("off", "auto")[number % 2]
        place = folder / f"{number}-{tls}"
        place.mkdir()
        words = [sys.executable, "-m", "tests.faults.second_namespace", tls, str(seed + number), str(place)]
        done = await trio.run_process(
            apart(words), capture_stdout=True, check=False, cwd=Path(__file__).parents[2]
        )
        tally.rounds += 1
        if done.returncode:
            tally.wrong(f"TLS {tls}: the stranger's process ended with {done.returncode}")
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        tally.struck += result["tried"]
        tally.acknowledged += result["marks"]
        tally.violations += [f"TLS {tls}: {each}" for each in result["wrong"]]
    return tally


# -- the stranger's process ---------------------------------------------------------------------------------


@contextmanager
def boxs_network() -> Iterator[list[str]]:
    """A namespace for the box, connected with this one; how a command is started in it."""
    holder = subprocess.Popen(apart(["sleep", "infinity"]))
    try:
        there = ["nsenter", "--target", str(holder.pid), "--net"]
        pid = str(holder.pid)
        while os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert holder.poll() is None  # it is on its way into its namespace
        peer = ("type", "veth", "peer", "name", "far", "netns", pid)
        subprocess.run(["ip", "link", "add", "near", *peer], check=True)
        for address in (VIEWER, TABLET):
            subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "near"], check=True)
        subprocess.run([*there, "ip", "address", "add", f"{BOX}/24", "dev", "far"], check=True)
        subprocess.run(["ip", "link", "set", "near", "up"], check=True)
        for device in ("lo", "far"):
            subprocess.run([*there, "ip", "link", "set", device, "up"], check=True)
        yield there
    finally:
        holder.kill()
        holder.wait()


def settings(tls: str) -> dict[str, Any]:
    return {
        "site": {"id": NAME.partition(".")[0]},
        "server": {
            "host": "0.0.0.0",
            "port": PORT,
            "local_port": LOCAL_PORT,
            "tls": tls,
            "tls_port": TLS_PORT,
        },
        "access": {"mode": "paired"},
        "recorder": {"mode": "embedded", "part_s": 0.2},
        "channels": [
            {"id": "cam1", "input_url": "synthetic:"},
            {"id": "cam2", "input_url": f"srt://:{SRT_PORT}"},
        ],
    }


async def attacked(tls: str, seed: int, folder: Path) -> dict[str, Any]:
    """Start the box, try everything, and compare what it has with what the tablet did."""
    state = folder / "state"
    state.mkdir()
    tokens = {role: leave_token(state, role, role) for role in ("operator", "coach", "admin")}
    wrong, tried = list[str](), 0
    with boxs_network() as there:
        box = Box(folder, settings(tls))
        box.process.before = there
        try:
            await box.start()
            context = authority(folder) if tls == "auto" else None
            port = TLS_PORT if context is not None else PORT
            tablet = Line(BOX, port, TABLET, context)
            place = Place(
                Line(BOX, port, VIEWER, context),
                Line(BOX, PORT, VIEWER) if context is not None else None,
                tokens["operator"],
                SRT_PORT,
                (LOCAL_PORT, *(() if context is not None else (TLS_PORT,))),
            )
            game = Game(tablet, tokens)
            await game.begin()
            before = await game.state()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(game.play)
                for name, attack in ATTACKS.items():
                    report = await attack(place, Random(seed))
                    tried += report.tried
                    wrong += [f"{name}: {each}" for each in report.wrong[:5]]
                    print(f"{name}: {report.tried} tried", file=sys.stderr)
                game.is_over = True
            wrong += game.wrong
            if (after := await game.state()) != before:
                wrong.append(f"the box has {after}, not {before}")
            wrong += await game.marks_are_kept()
            code = leave_code(state, "coach", "Bench", 10)
            reply = await tablet.ask("POST", "/pair", json.dumps({"code": code}).encode())
            if reply.status != 201:
                wrong.append(f"nobody can pair any more: {reply}")
            if await box.stop() != 0:
                wrong.append("the box did not end cleanly")
        finally:
            box.process.kill_everything()
    errors = [line for line in box.process.output().splitlines() if '"level":"error"' in line]
    wrong += [f"log: {line[:300]}" for line in errors[:5]]
    return {"tried": tried, "marks": len(game.marks), "wrong": wrong}


def authority(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "state" / "tls" / "authority.pem"))


class Game:
    """A coach's tablet that marks all the time."""

    def __init__(self, line: Line, tokens: dict[str, str]) -> None:
        self._line, self._tokens = line, tokens
        self.session = ""
        self.marks: list[str] = []
        self.wrong: list[str] = []
        self.is_over = False

    async def begin(self) -> None:
        made = await self._ask("POST", "/sessions", {"name": "Derby", "type": "game"}, role="operator")
        self.session = str(made["id"])
        await self._ask("POST", f"/sessions/{self.session}/start", role="operator")

    async def play(self) -> None:
        """Until it is over; a mark that is not answered with 201 is a violation."""
        body = {"session_id": self.session, "duration_seconds": 1, "channel_ids": ["cam2"]}
        while not self.is_over:
            try:
                self.marks.append(str((await self._ask("POST", "/plays", body))["id"]))
            except (AssertionError, OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
                self.wrong.append(f"a mark: {error!r}")
            await trio.sleep(MARK_S)

    async def state(self) -> dict[str, Any]:
        """What only a stranger could have changed."""
        snapshot = await self._ask("GET", "/snapshot")
        devices = await self._ask("GET", "/devices", role="admin")
        return {
            "sessions": [(each["id"], each["status"], each["rev"]) for each in snapshot["sessions"]],
            "channels": [(each["id"], each["name"]) for each in snapshot["channels"]],
            "devices": [(each["id"], each["role"], each["rev"]) for each in devices["items"]],
            "epoch": snapshot["epoch"],
        }

    async def marks_are_kept(self) -> list[str]:
        kept, cursor = set[str](), ""
        while True:
            page = await self._ask("GET", f"/plays?session_id={self.session}&limit=200{cursor}")
            kept |= {each["id"] for each in page["items"]}
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        if kept == set(self.marks):
            return []
        return [
            f"{len(set(self.marks) - kept)} marks are lost, {len(kept - set(self.marks))} are a stranger's"
        ]

    async def _ask(self, method: str, path: str, body: Any = None, *, role: str = "coach") -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        reply = await self._line.ask(method, path, data, token=self._tokens[role])
        assert 200 <= reply.status < 300, (method, path, reply)
        return json.loads(reply.body)


if __name__ == "__main__":
    print(json.dumps(trio.run(attacked, sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
