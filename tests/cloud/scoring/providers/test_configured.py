"""[[providers]]: order, addresses, tokens from the environment, what contradicts itself."""

from __future__ import annotations

import httpx
import pytest
from pydantic import ValidationError

from appliance.cloud.scoring.providers.configured import contradictions, sources
from appliance.cloud.scoring.providers.football_data import FootballData
from appliance.cloud.scoring.providers.settings import ProviderSettings
from tests.cloud.scoring.providers.calls import outbound
from tests.kit.clock import HandClock


def test_the_lowest_priority_is_asked_first_with_its_rate() -> None:  # B09
    given = [
        ProviderSettings(name="sofascore"),
        ProviderSettings(name="football-data", token_env="FD_TOKEN", priority=1, rate_s=6),
        ProviderSettings(name="fixture"),
        ProviderSettings(name="openfootball", priority=5),
    ]
    made = sources(given, outbound(lambda _: httpx.Response(500)), HandClock(), {"FD_TOKEN": "secret"})
    assert [(each.provider.name, each.rate_s) for each in made] == [
        ("football-data", 6),
        ("openfootball", 2.5),
        ("sofascore", 2.5),
        ("fixture", 0),
    ]
    first = made[0].provider
    assert isinstance(first, FootballData) and first.token == "secret"


def test_what_contradicts_itself_is_named_by_its_key() -> None:
    given = [
        ProviderSettings(name="fixture"),
        ProviderSettings(name="openfootball", url="file:/srv"),
        ProviderSettings(name="openfootball"),
        ProviderSettings(name="football-data", token_env="NONE", url="file:/x"),
    ]
    assert [line.partition(": ")[0] for line in contradictions(given, {}, is_production=True)] == [
        "providers.0.name",
        "providers.2.name",
        "providers.3.url",
        "providers.3.token_env",
    ]
    assert contradictions(given[:2], {}, is_production=False) == []


@pytest.mark.parametrize(
    "wrong", [{"name": "espn"}, {"url": "ftp://x"}, {"token_env": "lower"}, {"rate_s": -1}, {"key": 1}]
)
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProviderSettings.model_validate({"name": "sofascore", **wrong})
