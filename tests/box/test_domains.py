"""What the root puts together from the records of its domains."""

from __future__ import annotations

import tomllib
from pathlib import Path

from appliance.box.domains import domains, sections
from appliance.box.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config/appliance.toml"
OF_THE_ROOT = {"site", "server", "storage", "access"}
OF_OTHERS = {"recorder", "mediamtx", "channels", "heartbeat", "clips"}  # domains that cannot be removed yet


def test_the_shipped_file_has_the_section_of_every_record_and_no_other() -> None:
    shipped = set(tomllib.loads(SHIPPED.read_text()))
    assert "# [[channels]]" in SHIPPED.read_text()  # an example: a box may have none
    assert shipped | {"channels"} == OF_THE_ROOT | OF_OTHERS | set(sections())
    assert set(Settings.model_fields) == shipped | {"channels"}


def test_no_two_records_give_the_same_name() -> None:
    for part in ("sections", "clip_parts", "clip_filters", "session_counters"):
        names = [name for domain in domains() for name in getattr(domain, part)]
        assert len(names) == len(set(names)), part
