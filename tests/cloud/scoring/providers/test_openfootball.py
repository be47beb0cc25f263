"""openfootball: files by URL and from a folder, JSON and text; a reference cannot leave its place."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.openfootball import Openfootball
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.network.outbound import MAX_BYTES
from tests.cloud.scoring.providers.calls import outbound

JSON = b"""{"name": "League 2014/15", "matches": [
  {"round": "Matchday 1", "date": "2014-08-16", "time": "15:00", "team1": "A", "team2": "B",
   "score": {"ft": [2, 1]}}]}"""
TEXT = b"= League 2014/15\n\nMatchday 1\n[Sat Aug/16]\n  15:00  A  2-1 (1-0)  B\n"
LONDON = ZoneInfo("Europe/London")


def not_called(request: httpx.Request) -> httpx.Response:
    raise AssertionError(request.url)


async def test_a_file_by_url_is_asked_for_below_the_configured_address() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.headers["host"], request.url.raw_path))
        return httpx.Response(200, content=JSON)

    provider = Openfootball(outbound(answer), "http://127.0.0.1:8000/football.json/")
    wanted = Wanted("2014-15/en 1.json", zone=LONDON)
    file = read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)
    assert asked == [("127.0.0.1:8000", b"/football.json/2014-15/en%201.json")]
    (match,) = file.matches
    assert (match.home, match.score, match.kickoff) == ("A", (2, 1), "2014-08-16T14:00:00Z")


@pytest.mark.parametrize(("name", "data"), [("en.1.json", JSON), ("cl.txt", TEXT)])
async def test_files_of_a_folder(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "2014-15").mkdir()
    (tmp_path / "2014-15" / name).write_bytes(data)
    provider = Openfootball(outbound(not_called), f"file:{tmp_path}")
    wanted = Wanted(f"2014-15/{name}", zone=LONDON, season="2014-15")
    file = read_answer(provider.name, await provider.fetch(provider.address(wanted)), wanted)
    assert [(each.slug, each.score, each.date) for each in file.matches] == [
        ("matchday-1", (2, 1), "2014-08-16")
    ]


@pytest.mark.parametrize(
    "reference",
    ["../secret.json", "/etc/passwd", "a/../../b.json", "http://10.0.0.1/a.json", "//x/a.json", "a.toml", ""]
    + [".hidden.json", "a/.git/b.json", "a?b.json", "a#b.json", "file:/etc/a.json", "a\\b.json", "a\n.json"],
)
def test_a_reference_stays_below_its_address(reference: str, tmp_path: Path) -> None:
    for url in (f"file:{tmp_path}", "https://files.example/x"):
        with pytest.raises(ProviderFailed, match="path of a"):
            Openfootball(outbound(not_called), url).address(Wanted(reference))


async def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.json").write_bytes(JSON)
    (inside / "link.json").symlink_to(tmp_path / "secret.json")
    provider = Openfootball(outbound(not_called), f"file:{inside}")
    with pytest.raises(ProviderFailed) as caught:
        await provider.fetch(provider.address(Wanted("link.json")))
    assert caught.value.code == "bad_reference" and str(tmp_path) not in caught.value.detail


async def test_a_missing_and_a_huge_file_are_named_without_their_folder(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    provider = Openfootball(outbound(not_called), f"file:{tmp_path}")
    for name, code in (("none.json", "unreachable"), ("huge.json", "too_large")):
        with pytest.raises(ProviderFailed) as caught:
            await provider.fetch(provider.address(Wanted(name)))
        assert caught.value.code == code and name in caught.value.detail
        assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize(
    ("raw", "words"),
    [(b"\xff\xfe", "not UTF-8"), (b"[" * 100_000, "nested deeper")],
)
def test_what_is_no_text_is_no_answer(raw: bytes, words: str) -> None:
    with pytest.raises(ProviderFailed, match=words) as caught:
        read_answer("openfootball", raw, Wanted("a.json"))
    assert caught.value.code == "bad_answer"
