"""Priority and fallback: which provider's answer is taken, and what is requested once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.providers.answers import Answers, NoAnswer
from appliance.cloud.scoring.providers.model import Configured, ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import check_texts

FILE = b'{"matches": [{"round": "Matchday 1", "date": "2026-08-15", "team1": "A", "team2": "B"}]}'


@dataclass
class Hand:
    """A provider by hand: `failing` addresses have no answer."""

    name: str
    by_round: bool = True
    failing: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    empty: bool = False

    def address(self, wanted: Wanted) -> str:
        return f"{self.name}:{wanted.reference}:{wanted.round if self.by_round else ''}"

    async def fetch(self, address: str) -> bytes:
        self.fetched.append(address)
        if address in self.failing:
            raise ProviderFailed("unreachable", f"{self.name} cannot be reached")
        return b'{"matches": []}' if self.empty else FILE


def answers(*providers: Hand, references: dict[str, str] | None = None) -> tuple[Answers, list[str]]:
    events: list[str] = []

    async def start(name: str, rate_s: float) -> None:
        events.append(f"start {name} {rate_s}")

    async def keep(name: str, address: str, raw: bytes) -> str:
        events.append(f"keep {address}")
        return f"raw/{len(events)}"

    configured = [Configured(each, 2.5, 10 * at) for at, each in enumerate(providers)]
    known = references if references is not None else {each.name: "ref" for each in providers}
    return Answers(configured, known, start, keep), events


async def test_the_first_provider_is_asked_and_its_answer_kept() -> None:
    first, second = Hand("first"), Hand("second")
    asking, events = answers(first, second)
    answer = await asking.ask(Wanted("", "matchday-1"))
    assert (answer.provider, answer.priority, answer.is_first, answer.failed) == ("first", 0, True, [])
    assert events == ["start first 2.5", "keep first:ref:matchday-1"] and answer.raw_key == "raw/2"
    assert second.fetched == []


async def test_the_next_is_asked_when_one_fails_and_is_not_the_first() -> None:
    first, second = Hand("first", failing={"first:ref:matchday-1"}), Hand("second")
    asking, _ = answers(first, second)
    answer = await asking.ask(Wanted("", "matchday-1"))
    assert (answer.provider, answer.is_first) == ("second", False)
    assert [(name, error.code) for name, error in answer.failed] == [("first", "unreachable")]
    again = await asking.ask(Wanted("", "matchday-2"))  # another address: the first one is asked again
    assert again.provider == "first"


async def test_an_answer_without_matches_is_none() -> None:
    asking, _ = answers(Hand("first", empty=True), Hand("second"))
    answer = await asking.ask(Wanted("", "matchday-1"))
    assert answer.provider == "second" and answer.failed[0][1].code == "bad_answer"


async def test_a_file_of_the_whole_season_is_requested_once_also_when_it_fails() -> None:
    whole = Hand("whole", by_round=False)
    asking, events = answers(whole)
    for number in range(3):
        await asking.ask(Wanted("", f"matchday-{number}"))
    assert whole.fetched == ["whole:ref:"] and len(events) == 2
    failing = Hand("whole", by_round=False, failing={"whole:ref:"})
    asking, _ = answers(failing, Hand("other"))
    assert [(await asking.ask(Wanted("", f"matchday-{n}"))).provider for n in range(3)] == ["other"] * 3
    assert failing.fetched == ["whole:ref:"]


async def test_only_providers_that_know_the_tournament_are_asked() -> None:
    first, second = Hand("first"), Hand("second")
    asking, _ = answers(first, second, references={"second": "x"})
    answer = await asking.ask(Wanted("", "matchday-1"))
    assert (answer.provider, answer.is_first) == ("second", True) and first.fetched == []


async def test_without_an_answer_every_reason_is_there() -> None:
    asking, _ = answers(Hand("a", failing={"a:ref:r"}), Hand("b", failing={"b:ref:r"}))
    with pytest.raises(NoAnswer, match="a cannot be reached; b cannot be reached"):
        await asking.ask(Wanted("", "r"))
    asking, _ = answers(references={})
    with pytest.raises(NoAnswer, match="no configured provider"):
        await asking.ask(Wanted("", "r"))


@pytest.mark.parametrize("name", ["A\x00", "\ud83d", "B\udc00C"])
def test_a_name_that_no_database_stores_makes_no_answer(name: str) -> None:
    for file in (
        SeasonFile(matches=[FileMatch(1, "A", "B", round=name)]),
        SeasonFile(groups={"Group A": ["A", name]}),
    ):
        with pytest.raises(ProviderFailed) as caught:
            check_texts(file, "openfootball")
        assert caught.value.code == "bad_answer"
    check_texts(SeasonFile(matches=[FileMatch(1, "São Paulo", "\U0001f3c6")]), "openfootball")
