"""Options as they are typed become what is asked of a run."""

from __future__ import annotations

from pathlib import Path

from appliance.box.datasets.console.work import Options
from appliance.box.datasets.plays.prompts import DEFAULT_TEMPLATE


def test_options_become_a_specification(tmp_path: Path) -> None:
    games = tmp_path / "games.json"
    games.write_text('{"game_ids": ["g2", "g1", "g2"]}')
    options = Options(
        games=games,
        plays="plays.csv",
        sources="src",
        out="out",
        mode="copy",
        formats="hf, seed",
        engine="local",
        address="auto",
        split_seed="7",
        split_unit="game",
        template=None,
        game_limit_s=60,
        total_limit_s=120,
        delete_games=(),
        delete_players=(),
        url="",
    )
    spec = options.spec()
    assert spec.game_ids == ("g2", "g1") and spec.formats == ("seed", "hf") and spec.mode == "copy"
    assert (spec.split_seed, spec.split_unit, spec.template) == ("7", "game", DEFAULT_TEMPLATE)
    assert (spec.game_limit_s, spec.total_limit_s) == (60, 120)
