"""The record of the domain: settings that contradict each other, and where a run reads and writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.box.datasets.domain import DOMAIN, wiring_of
from appliance.box.datasets.on_box.footage import BoxPlays, BoxVideos
from appliance.box.datasets.plays.rows import BadInput
from appliance.box.datasets.runs.sources import FilePlays, StoredVideos
from appliance.box.datasets.settings import DatasetSettings, contradictions_of
from appliance.box.permissions import RUN
from appliance.box.settings import check_settings
from appliance.kernel.fields import SettingsError


def box(folder: Path, **datasets: Any) -> Any:
    storage = {"state_dir": folder / "state", "recordings_dir": folder / "recordings", "reserve_gb": 0}
    return SimpleNamespace(settings=check_settings({"storage": storage, "datasets": datasets}), store=None)


def test_a_box_reads_its_own_plays_and_writes_into_its_state(tmp_path: Path) -> None:
    wiring = wiring_of(box(tmp_path), {"GCS_TRAINING_BUCKET": "training"})
    assert isinstance(wiring.plays, BoxPlays) and isinstance(wiring.videos, BoxVideos)
    assert wiring.out.uri == (tmp_path / "state/datasets").as_uri() and wiring.bucket == "gs://training"
    assert wiring.engine.parallel == 1 and wiring.limits_s == (4 * 3600, 12 * 3600)


def test_other_roots_come_from_the_settings(tmp_path: Path) -> None:  # T29
    (tmp_path / "plays.json").write_text("[]")
    named = {"plays": str(tmp_path / "plays.json"), "sources": str(tmp_path), "out": str(tmp_path / "out")}
    wiring = wiring_of(box(tmp_path, **named), {})
    assert isinstance(wiring.plays, FilePlays) and isinstance(wiring.videos, StoredVideos)
    queried = {**named, "plays": "postgrest:https://db.example"}
    with pytest.raises(BadInput, match="SUPABASE_SERVICE_KEY"):
        wiring_of(box(tmp_path, **queried), {})


def test_plays_and_sources_are_both_of_the_box_or_neither(tmp_path: Path) -> None:
    assert list(contradictions_of(DatasetSettings())) == []
    (line,) = contradictions_of(DatasetSettings(sources="/videos"))
    assert line.startswith("datasets.sources: ")
    with pytest.raises(SettingsError, match=r"datasets\.sources"):
        box(tmp_path, plays="/plays.csv")


def test_an_operator_starts_and_cancels_runs() -> None:
    changing = {rule for rule in DOMAIN.access if not rule.startswith("GET")}
    assert {DOMAIN.access[rule] for rule in changing} == {RUN} and len(changing) == 3
