"""The sources of the settings, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from appliance.cloud.scoring.providers import football_data, openfootball
from appliance.cloud.scoring.providers.fixture import Fixture
from appliance.cloud.scoring.providers.football_data import FootballData
from appliance.cloud.scoring.providers.model import Configured, Provider
from appliance.cloud.scoring.providers.openfootball import Openfootball
from appliance.cloud.scoring.providers.scrape import sofascore
from appliance.cloud.scoring.providers.scrape.browser_page import BrowserPage
from appliance.cloud.scoring.providers.scrape.sofascore import SofaScore
from appliance.cloud.scoring.providers.settings import ProviderSettings
from appliance.kernel.clock import Clock
from appliance.network.outbound import Outbound


def sources(
    settings: Sequence[ProviderSettings], outbound: Outbound, clock: Clock, environment: Mapping[str, str]
) -> list[Configured]:
    """By priority, then as the file has them."""
    ordered = sorted(settings, key=lambda each: each.priority)
    return [
        Configured(_provider(each, outbound, clock, environment), each.between_s, each.priority)
        for each in ordered
    ]


def _provider(
    given: ProviderSettings, outbound: Outbound, clock: Clock, environment: Mapping[str, str]
) -> Provider:
    if given.name == "fixture":
        return Fixture(clock)
    if given.name == "openfootball":
        return Openfootball(outbound, given.url or openfootball.URL)
    if given.name == "football-data":
        token = environment.get(given.token_env, "") if given.token_env else ""
        return FootballData(outbound, token, given.url or football_data.URL)
    return SofaScore(BrowserPage(outbound).open, given.url or sofascore.URL)


def contradictions(
    settings: Iterable[ProviderSettings], environment: Mapping[str, str], *, is_production: bool
) -> list[str]:
    """What is wrong with the list as a whole: one line each, beginning with the key."""
    problems, seen = list[str](), set[str]()
    for at, each in enumerate(settings):
        key = f"providers.{at}"
        if each.name in seen:
            problems.append(f"{key}.name: {each.name} is there twice")
        seen.add(each.name)
        if each.url.startswith("file:") and each.name != "openfootball":
            problems.append(f"{key}.url: only openfootball reads files")
        if each.token_env and not environment.get(each.token_env):
            problems.append(f"{key}.token_env: {each.token_env} is not in the environment")
        if each.name == "fixture" and is_production:
            problems.append(f"{key}.name: fixture invents results: it is for the demo")
    return problems
