"""Kept answers, and what a run knows before it asks a provider."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

import pytest

from appliance.cloud.scoring.executions.facts import require, rounds_of_tournament, validated
from appliance.cloud.scoring.executions.kept import KeptAnswers, read_object
from appliance.cloud.scoring.executions.model import StageFailed
from appliance.cloud.scoring.providers.answers import NoAnswer
from appliance.cloud.scoring.providers.model import Wanted
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from tests.cloud.scoring.executions.kit import LEAGUE, Season, bench_over


async def test_an_answer_is_read_as_it_came(store: Store, tmp_path: Path) -> None:
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        row = await bench.run("create")
        kept = KeptAnswers(store, bench.objects, row["id"])
        answer = await kept.ask(Wanted(""))
        assert (answer.provider, answer.is_first, len(answer.file.matches)) == ("first", True, 4)
        with pytest.raises(NoAnswer, match="no answer was kept for the round matchday-1"):
            await kept.ask(Wanted("", "matchday-1"))
        await bench.objects.delete(answer.raw_key)
        with pytest.raises(NoAnswer, match="not in the object store any more"):
            await kept.ask(Wanted(""))
        with pytest.raises(StageFailed) as caught:
            await read_object(bench.objects, answer.raw_key)
        assert caught.value.stage == "fetch"


async def test_rounds_are_those_of_the_tournament(store: Store, tmp_path: Path) -> None:  # D17 D18
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        await bench.run("create")
        rounds = await store.read(partial(rounds_of_tournament, tournament_id="league"))
        assert [(each.slug, each.name, each.kind) for each in rounds] == [
            ("matchday-1", "Matchday 1", "league"),
            ("matchday-2", "Matchday 2", "league"),
        ]
        _, chosen = await store.read(partial(validated, tournament_id="league", round_slug="matchday-2"))
        assert [each.slug for each in chosen] == ["matchday-2"]
        for tournament_id, slug in (("none", ""), ("league", "matchday-9")):
            with pytest.raises(Refused) as caught:
                await store.read(partial(require, tournament_id=tournament_id, round_slug=slug))
            assert caught.value.status == 404
