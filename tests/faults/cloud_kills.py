"""Processes of `appliance cloud serve` on one PostgreSQL are killed and stopped, and so is the server, while
clients create things by HTTP and send each request again until it is answered.

Checked afterwards: every acknowledged create is there once, whichever process answered it and however often
it was sent; no answer was an error of ours; the journal has each create once, without gaps, and followers in
two other processes saw the same order.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import trio

from appliance.access.tokens import store as tokens
from appliance.cloud.domains import schemas
from appliance.kernel import json
from appliance.kernel.follow import follow
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from tests.faults.tally import Tally
from tests.kit.clock import WallClock
from tests.kit.ports import free_port
from tests.kit.postgres import Server, own_server
from tests.kit.running import Process
from tests.kit.waiting import LIMIT_S, eventually
from tests.server.sockets import read_answer, request

CALLERS = 6
ANSWERS = 5  # of each process before a strike
ANSWER_S = 10.0  # a server that is away is 503 before that
STRIKES = ("server", "kill", "stop", "kill")
STOPPED_S = 6.0  # longer than the server waits for a process that stands still in a transaction
PATH = "/logging/v1/leagues"
SETTINGS = """
[cloud]
environment = "demo"
state_dir = "{folder}"
[server]
port = {port}
local_port = 0
[database]
url = "{url}"
connections = 4
"""


@dataclass
class Service:
    """One process."""

    folder: Path
    database: str
    number: int
    port: int = field(default_factory=free_port)
    answers: int = 0

    def __post_init__(self) -> None:
        file = self.folder / f"cloud{self.number}.toml"
        state = self.folder / f"state{self.number}"
        file.write_text(SETTINGS.format(folder=state, port=self.port, url=self.database))
        words = ["cloud", "serve", "--config", str(file)]
        self.process = Process(words, self.folder / f"cloud{self.number}.log")

    async def kill(self) -> None:
        self.process.send(signal.SIGKILL)
        await self.process.ended()


@dataclass
class Clients:
    """What they were answered. `ids`: of each name; `faults`: answers that should not have been."""

    services: list[Service]
    token: str
    rnd: Random
    ids: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unavailable: int = 0

    async def call(self, caller: int) -> None:
        """Create one after the other. Every fifth request is sent again although it was answered."""
        for number in range(1_000_000):
            name = f"league {caller}-{number}"
            sent = self._request(name, has_id=bool(number % 2))
            for _ in range(2 if number % 5 == 0 else 1):
                answer_id = await self._until_answered(sent)
                if self.ids.setdefault(name, answer_id) != answer_id:
                    self.faults.append(f"{name} has the ids {self.ids[name]} and {answer_id}")

    def _request(self, name: str, *, has_id: bool) -> bytes:
        body = {"name": name, "sport": "football"}
        headers = {"authorization": f"Bearer {self.token}", "content_type": "application/json"}
        own_id = str(UUID(int=self.rnd.getrandbits(128), version=4))
        if has_id:
            body["id"] = own_id
        else:
            headers["idempotency_key"] = own_id
        return request(PATH, "POST", json.encode(body), **headers)

    async def _until_answered(self, sent: bytes) -> str:
        while True:
            service = self.rnd.choice(self.services)
            answer = await _answered(service.port, sent)
            head, _, body = answer.partition(b"\r\n\r\n")
            status = head[9:12]
            if status in (b"200", b"201"):
                service.answers += 1
                return str(json.decode(body)["id"])
            if status == b"503" and json.decode(body)["code"] == "storage_unavailable":
                self.unavailable += 1
            elif answer:
                self.faults.append(f"answered {answer[-300:]!r}")
            await trio.sleep(0.02)


async def answered(service: Service, path: str, **headers: str) -> bytes:
    """The answer to a POST without a body; b"" as below."""
    return await _answered(service.port, request(path, "POST", b"", **headers))


async def _answered(port: int, sent: bytes) -> bytes:
    """b"": the process was killed, or stands still."""
    with trio.move_on_after(ANSWER_S):
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(sent)
                answer = await read_answer(stream)
                return answer if b"\r\n\r\n" in answer else b""
        except (OSError, trio.BrokenResourceError):
            pass
    return b""


async def cloud_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` strikes at two processes of the service and at the server."""
    tally, rnd = Tally(), Random(seed)
    with own_server() as server:
        url = server.empty_database()
        async with open_database(url) as first, open_database(url) as second, trio.open_nursery() as nursery:
            seen: tuple[list[tuple[int, str]], ...] = ([], [])
            for store, into in zip((first, second), seen, strict=True):
                nursery.start_soon(_follow, store, into)
            services = [Service(folder, url, number) for number in range(2)]
            clients = Clients(services, await _token(first), rnd)
            try:
                for service in services:
                    service.process.launch()
                async with trio.open_nursery() as calling:
                    for caller in range(CALLERS):
                        calling.start_soon(clients.call, caller)
                    for number in range(rounds):
                        await _all_answer(services)
                        kind, service = STRIKES[number % len(STRIKES)], rnd.choice(services)
                        await _strike(kind, service, server)
                        if kind == "kill" and number == rounds - 1:  # the other goes on alone
                            services.remove(service)
                        elif kind == "kill":
                            service.process.launch()
                        tally.rounds += 1
                        tally.struck += 1
                    await _all_answer(services)
                    calling.cancel_scope.cancel()
            finally:
                for service in services:
                    service.process.kill_everything()
            await _check(first, clients, seen, tally)
            nursery.cancel_scope.cancel()
    return tally


def open_database(url: str) -> Any:
    """A store on the database of the services."""
    return open_postgres(url, WallClock(), connections=3, folders=[KERNEL_SCHEMA, *schemas()])


async def _token(store: Store) -> str:
    token, token_hash = tokens.make_token()
    add = partial(tokens.add_token, token_hash=token_hash, role="admin", scopes=(), name="Ana")
    await store.write(partial(add, created_by="console"))
    return token


async def _all_answer(services: list[Service]) -> None:
    before = [service.answers for service in services]

    def have() -> bool:
        for service in services:
            popen = service.process.popen
            assert popen is not None and popen.poll() is None, service.process.output()[-3000:]
        return all(
            service.answers >= known + ANSWERS for service, known in zip(services, before, strict=True)
        )

    await eventually(have, within_s=2 * LIMIT_S, what="answers of every process")


async def _strike(kind: str, service: Service, server: Server) -> None:
    if kind == "kill":
        await service.kill()
    elif kind == "stop":
        service.process.send(signal.SIGSTOP)
        await trio.sleep(STOPPED_S)
        service.process.send(signal.SIGCONT)
    else:
        server.kill()
        await trio.to_thread.run_sync(server.start)


async def _follow(store: Store, into: list[tuple[int, str]]) -> None:
    async for entries in follow(store.journal, 0):
        into += [(entry.seq, entry.subject) for entry in entries]


def _rows(tx: ReadTx) -> tuple[dict[str, str], list[tuple[int, str]], int]:
    leagues = tx.all("SELECT id, name FROM leagues")
    journal = tx.all("SELECT seq, subject FROM journal ORDER BY seq")
    by_name = {row["name"]: row["id"] for row in leagues}
    return by_name, [(row["seq"], row["subject"]) for row in journal], len(leagues)


async def _check(
    store: Store, clients: Clients, seen: tuple[list[tuple[int, str]], ...], tally: Tally
) -> None:
    rows, journal, count = await store.read(_rows)
    tally.acknowledged = len(clients.ids)
    tally.lose(sorted(name for name, known in clients.ids.items() if rows.get(name) != known))
    tally.check(count == len(rows), f"{count - len(rows)} leagues are there twice")
    tally.violations += clients.faults[:20]
    tally.check([seq for seq, _ in journal] == list(range(1, len(journal) + 1)), "gaps in the journal")
    created = sorted(subject for _, subject in journal if subject.startswith("league:"))
    subjects = sorted(f"league:{league_id}" for league_id in rows.values())
    tally.check(created == subjects, "the journal has other creates")
    await eventually(lambda: all(len(each) >= len(journal) for each in seen), what="the followers")
    tally.check(all(each == journal for each in seen), "a follower saw another order")
