"""Plays from PostgREST: a small server of that shape over a real PostgreSQL, and one that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from appliance.box.datasets.plays.checked import checked_plays
from appliance.box.datasets.plays.postgrest import PlaysUnavailable, PostgrestPlays
from appliance.box.datasets.plays.rows import BadInput
from tests.kit import postgres

GAME, OTHER = "23135de8-36ca-4882-bdf1-8796cd8caa8a", "00000000-0000-4000-8000-000000000001"
KEY = "service-key"
TABLE = """CREATE TABLE plays (
    id UUID PRIMARY KEY, game_id UUID NOT NULL, angle TEXT NOT NULL, start_timestamp FLOAT NOT NULL,
    end_timestamp FLOAT NOT NULL, play_type TEXT, notes TEXT)"""
CAP = 2  # rows of one answer of the server


def answered(database: str, path: str, headers: Any) -> tuple[int, Any]:
    """As PostgREST: key, columns, filters, order, page."""
    parts = urlsplit(path)
    if headers["apikey"] != KEY or headers["Authorization"] != f"Bearer {KEY}":
        return 401, {"message": "Invalid API key"}
    query = dict(parse_qsl(parts.query))
    order = re.fullmatch(r"([a-z_]+)\.asc,([a-z_]+)\.asc", query["order"])
    if parts.path != "/rest/v1/plays" or query["select"] != "*" or not order:
        return 404, {"message": "no such table"}
    sql = f"SELECT * FROM plays WHERE game_id = %s ORDER BY {order[1]}, {order[2]} LIMIT %s OFFSET %s"
    game_id = query["game_id"].removeprefix("eq.")
    try:
        with psycopg.connect(database, row_factory=dict_row) as connection:
            rows = connection.execute(sql, (game_id, min(int(query["limit"]), CAP), int(query["offset"])))
            return 200, [
                {name: str(v) if name.endswith("id") else v for name, v in row.items()} for row in rows
            ]
    except psycopg.DataError as error:
        return 400, {"message": str(error)}


@contextmanager
def served(database: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, value = answered(database, self.path, self.headers)
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.postgres
@pytest.mark.slow
def test_rows_of_a_game_come_from_postgresql_in_order_with_all_columns() -> None:  # T08
    if reason := postgres.missing():
        pytest.skip(reason)
    database = postgres.server().empty_database()
    with psycopg.connect(database) as connection:
        connection.execute(TABLE)
        for at, start in enumerate((30.5, 10.25, 20.0)):
            values = (f"00000000-0000-4000-8000-00000000000{at}", GAME, "LEFT", start, start + 5, "drive")
            connection.execute("INSERT INTO plays VALUES (%s, %s, %s, %s, %s, %s)", values)
        other = ("00000000-0000-4000-8000-00000000000f", OTHER, "LEFT", 1.0, 2.0, None)
        connection.execute("INSERT INTO plays VALUES (%s, %s, %s, %s, %s, %s)", other)
    with served(database) as url:
        rows = PostgrestPlays(url, KEY).rows(GAME)
        assert PostgrestPlays(url, KEY).rows("00000000-0000-4000-8000-00000000000a") == []
        with pytest.raises(PlaysUnavailable, match="invalid input syntax"):
            PostgrestPlays(url, KEY).rows("no-uuid")
        with pytest.raises(PlaysUnavailable, match="SUPABASE_SERVICE_KEY"):
            PostgrestPlays(url, "wrong").rows(GAME)
    assert [row["start_timestamp"] for row in rows] == [10.25, 20.0, 30.5]
    assert rows[0].keys() >= {"play_type", "notes"}
    assert [play.fields for play in checked_plays(GAME, rows).plays] == [{"play_type": "drive"}] * 3


@pytest.mark.parametrize(
    ("answers", "is_read"),
    [([500, 200, 200], True), ([None, 429, 200, 200], True), ([500, 500, 500], False), ([None] * 3, False)],
)
def test_a_failure_that_may_pass_is_tried_again(answers: list[int | None], is_read: bool) -> None:  # T07
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        status = answers[len(asked) - 1]
        if status is None:
            raise httpx.ConnectError("refused")
        rows = [] if request.url.params["offset"] != "0" else [{"id": "p1"}]
        return httpx.Response(status, json=rows)

    plays = PostgrestPlays("https://db.example/", KEY, transport=httpx.MockTransport(answer), pause_s=0)
    if is_read:
        assert plays.rows(GAME) == [{"id": "p1"}]
    else:
        with pytest.raises(PlaysUnavailable, match="cannot be read"):
            plays.rows(GAME)
    assert len(asked) == len(answers)
    assert asked[0].url.path == "/rest/v1/plays"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"a": 1}),
        httpx.Response(200, json=[1]),
        httpx.Response(404, json={"message": "no such table"}),
    ],
)
def test_an_answer_without_rows_is_an_error(answer: httpx.Response) -> None:  # T07
    plays = PostgrestPlays("https://db.example", KEY, transport=httpx.MockTransport(lambda request: answer))
    with pytest.raises(PlaysUnavailable):
        plays.rows(GAME)


@pytest.mark.parametrize(
    "base", ["http://db.example", "db.example", "ftp://x", "https://user:pw@db.example", ""]
)
def test_a_key_is_never_sent_in_the_clear(base: str) -> None:  # T29
    with pytest.raises(BadInput):
        PostgrestPlays(base, KEY)


def test_a_missing_key_is_named() -> None:  # T29
    with pytest.raises(BadInput, match="SUPABASE_SERVICE_KEY"):
        PostgrestPlays("https://db.example", "")
