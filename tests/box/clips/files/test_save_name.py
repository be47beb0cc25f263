"""The file name of a downloaded clip."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.box.clips.files.save_name import joined, save_name
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench


async def name_of(bench: Bench, clip_id: str, zone: str = "UTC") -> str:
    return await bench.store.read(lambda tx: save_name(tx, clip_id, zone))


async def called(bench: Bench, **names: str) -> None:
    def change(tx: Tx) -> None:
        tx.run("UPDATE sessions SET name = ?", (names.get("session", "Demo"),))
        tx.run("UPDATE channels SET name = ? WHERE id = 'cam1'", (names.get("channel", "End zone"),))

    await bench.store.write(change)


async def test_session_play_words_of_other_domains_and_camera(bench: Bench) -> None:
    await called(bench)
    play = await bench.play()
    await bench.store.write(lambda tx: tx.run("UPDATE plays SET number = 81"))
    clip_id = play["clip_ids"][0]
    given = ["3and8", "", "pass", "RPO", "first down"]
    name = await bench.store.read(lambda tx: save_name(tx, clip_id, "UTC", lambda tx, row: given))
    assert name == "Demo_Play-81_3and8-Pass-RPO-First-Down_End-zone.mp4"
    assert await name_of(bench, clip_id) == "Demo_Play-81_End-zone.mp4"


async def test_a_clip_of_no_play_has_its_title_or_the_time_of_the_place(bench: Bench) -> None:
    await called(bench)
    named, plain = await bench.clip(title="Great catch"), await bench.clip()
    assert await name_of(bench, named["id"]) == "Demo_Great-catch_End-zone.mp4"
    assert await name_of(bench, plain["id"], "Europe/Madrid") == "Demo_20-00-00_End-zone.mp4"
    assert await name_of(bench, "nobody") == "nobody.mp4"


async def test_letters_of_every_language_stay_and_forbidden_characters_are_removed(bench: Bench) -> None:
    await called(bench, session="Atlético / Niño: v «Rival»\n", channel='..\\..\\Öst "Süd"')
    clip = await bench.clip(title="決勝")
    assert await name_of(bench, clip["id"]) == "Atlético-Niño-v-«Rival»_決勝_Öst-Süd.mp4"


@given(parts=st.lists(st.text(max_size=300), max_size=4))
def test_any_text_makes_a_name_that_a_file_can_have(parts: list[str]) -> None:
    name = joined(parts)
    assert name.endswith(".mp4") and len(name.encode()) <= 204
    assert not set(name) & set('/\\:*?"<>|\n\r\0')
    assert not name.removesuffix(".mp4").startswith((".", "-"))
