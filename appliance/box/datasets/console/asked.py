"""What the options of a command name, opened: plays, roots of videos and outputs, the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.box.datasets.plays.postgrest import PostgrestPlays
from appliance.box.datasets.plays.rows import BadInput, read_games, read_rows
from appliance.box.datasets.runs.engine import Engine, LocalEngine
from appliance.box.datasets.runs.sources import FilePlays, PlaySource, QueriedPlays
from appliance.box.datasets.storage.model import Storage
from appliance.box.datasets.storage.opened import open_storage

BOX = "box"


@dataclass(frozen=True, slots=True)
class Asked:
    game_ids: list[str]
    plays: PlaySource
    sources: Storage


def read_asked(games: Path, plays: str, sources: str, environment: Mapping[str, str]) -> Asked:
    """Blocks. Raises BadInput, BadRoot."""
    sources = sources or bucket_of(environment, "GCS_VIDEO_BUCKET")
    if not sources:
        raise BadInput("--sources is missing, and so is GCS_VIDEO_BUCKET in the environment")
    return Asked(
        read_games(read_text(games)), open_plays(plays, environment), open_storage(sources, environment)
    )


def open_plays(plays: str, environment: Mapping[str, str]) -> PlaySource:
    """A file, or postgrest:URL (without a URL: SUPABASE_URL). Raises BadInput."""
    scheme, separator, url = plays.partition(":")
    if separator and scheme == "postgrest":
        key = environment.get("SUPABASE_SERVICE_KEY", "")
        return QueriedPlays(PostgrestPlays(url or environment.get("SUPABASE_URL", ""), key))
    return FilePlays(read_rows(read_text(Path(plays)), plays))


def open_out(out: str, environment: Mapping[str, str]) -> Storage:
    """Raises BadInput, BadRoot."""
    out = out or bucket_of(environment, "GCS_TRAINING_BUCKET")
    if not out:
        raise BadInput("--out is missing, and so is GCS_TRAINING_BUCKET in the environment")
    return open_storage(out, environment)


def bucket_of(environment: Mapping[str, str], name: str) -> str:
    bucket = environment.get(name, "").removeprefix("gs://").strip("/")
    return f"gs://{bucket}" if bucket else ""


def open_engine(name: str, address: str) -> Engine:
    """Raises BadInput: Ray is not installed, or its cluster cannot be reached."""
    if name == "local":
        return LocalEngine()
    from appliance.box.datasets.runs.ray_engine import RayEngine

    return RayEngine(address)


def read_text(path: Path) -> str:
    """Raises BadInput."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
