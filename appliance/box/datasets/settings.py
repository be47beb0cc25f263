"""The [datasets] section of the settings: where runs of this box read and write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section


class DatasetSettings(Section):
    """[datasets]. `plays` and `sources`: "box" for what was marked and recorded here. `out`: "" is the folder
    `datasets` in state_dir. A client cannot name another place: it would write where it may not."""

    plays: Annotated[str, Field(max_length=2048)] = "box"
    sources: Annotated[str, Field(max_length=2048)] = "box"
    out: Annotated[str, Field(max_length=2048)] = ""
    game_limit_h: Annotated[float, Field(gt=0, le=168)] = 4
    total_limit_h: Annotated[float, Field(gt=0, le=168)] = 12


def contradictions_of(section: DatasetSettings) -> Iterator[str]:
    if (section.plays == "box") != (section.sources == "box"):
        yield 'datasets.sources: "box" goes with datasets.plays = "box", and the other way round'
