"""Answers of providers as matches: by the provider's name, so that kept answers are read again without it."""

from __future__ import annotations

from appliance.cloud.scoring.imports.football_data import read_football_data
from appliance.cloud.scoring.imports.football_txt import read_txt
from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.openfootball_json import read_json
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.scrape.events import read_sofascore
from appliance.kernel import json


def read_answer(provider: str, raw: bytes, wanted: Wanted) -> SeasonFile:
    """The matches; of a provider that is not known here, those of a season file. Raises ProviderFailed
    `bad_answer`: it is none of this provider, or without matches."""
    file = _READERS.get(provider, read_season)(raw, wanted)
    if not file.found:
        reason = file.defects[0].detail if file.defects else "no matches"
        raise ProviderFailed("bad_answer", f"{provider}: {reason}")
    check_texts(file, provider)
    return file


def read_season(raw: bytes, wanted: Wanted) -> SeasonFile:
    """A season file of either form. Raises ProviderFailed for bytes that are no text."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProviderFailed("bad_answer", f"the file is not UTF-8: byte {error.start}") from None
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.require_depth(raw)
        except json.BadJson as error:
            raise ProviderFailed("bad_answer", f"the file is {error}") from None
        return read_json(text, wanted.zone)
    return read_txt(text, wanted.zone, season=wanted.season)


def _football_data(raw: bytes, wanted: Wanted) -> SeasonFile:
    file = read_football_data(_json(raw, "football-data"))
    if file is None:
        raise ProviderFailed("bad_answer", "football-data answered without a list of matches")
    return file


def _sofascore(raw: bytes, wanted: Wanted) -> SeasonFile:
    file = read_sofascore(_json(raw, "sofascore"), wanted.zone)
    if file is None:
        raise ProviderFailed("bad_answer", "sofascore answered without events")
    return file


_READERS = {"football-data": _football_data, "sofascore": _sofascore}


def _json(raw: bytes, name: str) -> object:
    try:
        return json.decode_long(raw)
    except json.BadJson as error:
        raise ProviderFailed("bad_answer", f"{name} answered with no JSON: {str(error)[:200]}") from None


def check_texts(file: SeasonFile, name: str) -> None:
    """Raises ProviderFailed for texts that a database does not store: U+0000, half a surrogate pair."""
    texts = [file.name, *file.groups, *(team for teams in file.groups.values() for team in teams)]
    for each in file.matches:
        texts += [each.home, each.away, each.stage, each.group, each.round, each.detail, each.reference]
    whole = "".join(texts)
    if "\x00" in whole or any("\ud800" <= sign <= "\udfff" for sign in whole):
        raise ProviderFailed("bad_answer", f"{name}: a name has a character that is no text")
