"""GET /status: what runs, on both databases, and who may see it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from appliance.cloud.database import described, open_database
from appliance.cloud.status.model import CloudStatus
from appliance.cloud.status.processes import beat
from appliance.cloud.status.report import LEASES_MAX, About, read_status
from appliance.domain import StatusLine, StatusPart
from appliance.kernel.follow import place_cursor
from appliance.kernel.leases import take_lease
from appliance.kernel.tx import ReadTx, Tx
from tests.cloud.conftest import Cloud
from tests.kit import postgres


def part(tx: ReadTx) -> StatusPart:
    return StatusPart("Deliveries", {"pending": 3}, [StatusLine("warn", "https://x", "away", tx.now_us)])


ABOUT = About("demo", "api.example", "1.0", "one", described("sqlite:cloud.db", 8), {"deliveries": part})


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


def fill(tx: Tx) -> None:
    for number in range(3):
        tx.append("x", f"x:{number}", {})
    place_cursor(tx, "boxes", 1)
    assert take_lease(tx, "webhook", "s1", "one") is not None
    beat(tx, name="one", version="1.0", journal_seq=3)


async def test_one_read_shows_it_whole(url: str, tmp_path: Path) -> None:
    async with open_database(url, tmp_path, connections=4) as store:
        await store.write(fill)
        shown = await store.read(partial(read_status, about=ABOUT))
    assert CloudStatus.model_validate(shown).model_dump() == shown
    assert [(each["name"], each["is_alive"], each["lag_s"]) for each in shown["processes"]] == [
        ("one", True, 0)
    ]
    (follower,) = shown["journal"].pop("followers")
    assert (follower["name"], follower["behind"], follower["needs_resync"]) == ("boxes", 2, False)
    assert shown["journal"] == {"head": 3, "oldest": 1} and shown["as_of_seq"] == 3
    (lease,) = shown["leases"]["items"]
    assert shown["leases"]["held"] == 1
    assert (lease["kind"], lease["subject"], lease["owner"], lease["token"]) == ("webhook", "s1", "one", 1)
    (line,) = shown["parts"]["deliveries"].pop("lines")
    assert shown["parts"]["deliveries"] == {"title": "Deliveries", "figures": {"pending": 3}}
    assert (line["status"], line["since"]) == ("warn", shown["server_time"])


async def test_only_the_first_leases_are_listed_and_all_are_counted(cloud: Cloud) -> None:
    def take(tx: Tx) -> None:
        for number in range(LEASES_MAX + 1):
            take_lease(tx, "webhook", f"s{number:02}", "one")

    await cloud.store.write(take)
    leases = (await (await cloud.holder("internal")).get("/status")).json["leases"]
    assert (leases["held"], len(leases["items"])) == (LEASES_MAX + 1, LEASES_MAX)


async def test_it_is_for_admins_and_internal_services(cloud: Cloud) -> None:
    shown = (await (await cloud.holder("admin")).get("/status")).json
    assert (shown["environment"], shown["process"]) == ("demo", "process-1")
    assert shown["database"]["engine"] == "SQLite" and "deliveries" in shown["parts"]
    for role in ("league", "manager", "logger", "client", "box"):
        assert (await (await cloud.holder(role)).get("/status")).status == 403
    assert (await cloud.client.get("/status")).status == 401


@pytest.mark.parametrize(
    ("url", "engine", "place"),
    [
        ("sqlite:cloud.db", "SQLite", "cloud.db"),
        (
            "postgresql://me:secret@db.example:5433/league?sslmode=require",
            "PostgreSQL",
            "db.example:5433/league",
        ),
        ("postgresql://me@/league?host=/run/pg", "PostgreSQL", "/run/pg/league"),
        ("postgres:///league", "PostgreSQL", "local socket/league"),
    ],
)
def test_a_database_is_named_without_its_password(url: str, engine: str, place: str) -> None:
    shown = described(url, 4)
    assert (shown["engine"], shown["place"]) == (engine, place) and "secret" not in str(shown)
