"""What the root puts together from the records of its domains."""

from __future__ import annotations

import tomllib
from pathlib import Path

from appliance.box.domains import consistency, domains, section_lists, sections
from appliance.box.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config/appliance.toml"
BOX = Path(__file__).parents[2] / "appliance/box"
OF_THE_ROOT = {"site", "server", "storage", "access"}
NO_DOMAIN = {"wiring"}


def test_the_shipped_file_has_the_section_of_every_record_and_no_other() -> None:
    shipped = set(tomllib.loads(SHIPPED.read_text()))
    for name in section_lists():  # an example: a box may have none
        assert f"# [[{name}]]" in SHIPPED.read_text()
    of_records = set(sections()) | set(section_lists())
    assert shipped | set(section_lists()) == OF_THE_ROOT | of_records == set(Settings.model_fields)


def test_every_folder_of_the_box_is_a_domain_with_a_record() -> None:
    folders = {path.parent.name for path in BOX.glob("*/__init__.py")} - NO_DOMAIN
    assert folders == {domain.name for domain in domains()}
    assert {path.parent.name for path in BOX.glob("*/schema")} == {
        domain.name for domain in domains() if domain.schema is not None
    }


def test_no_two_records_give_the_same_name() -> None:
    for part in ("sections", "section_lists", "clip_parts", "clip_filters"):
        names = [name for domain in domains() for name in getattr(domain, part)]
        assert len(names) == len(set(names)), part
    repairs = [name for each in consistency() for name in (*each.row_repairs, *each.file_repairs)]
    assert len(repairs) == len(set(repairs))
    counters = [domain.session_counters.fields for domain in domains() if domain.session_counters]
    assert sum(map(len, counters)) == len({name for fields in counters for name in fields})
