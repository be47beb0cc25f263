"""What is there of each game before a run: rows of plays, and the videos that they need."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from appliance.box.datasets.plays.postgrest import PlaysUnavailable
from appliance.box.datasets.runs.manifest import CAUSES
from appliance.box.datasets.runs.sources import PlaySource, VideoSource


@dataclass(frozen=True, slots=True)
class GameCheck:
    """`problems`: why a run would fail, or cut less than was asked for."""

    game_id: str
    plays: int
    clips: int
    bytes: int
    problems: tuple[str, ...]

    def line(self) -> str:
        head = f"{self.game_id[:36]:36} {self.plays} plays, {self.clips} clips, {self.bytes / 1e6:.1f} MB"
        return "\n".join([head, *(f"    {problem}" for problem in self.problems)])


async def check_game(game_id: str, source: PlaySource, videos: VideoSource) -> GameCheck:
    """Reads nothing of a video. Raises OSError: the root cannot be reached."""
    try:
        plays = await source.plays(game_id)
    except PlaysUnavailable as error:
        return GameCheck(game_id, 0, 0, 0, (str(error),))
    if not plays.rows:
        return GameCheck(game_id, 0, 0, 0, (CAUSES["no_plays" if plays.is_known else "unknown_game"],))
    rejected = Counter(rejection.code for rejection in plays.rejections)
    problems = [f"{count} rows rejected: {code}" for code, count in sorted(rejected.items())]
    needed = Counter(camera for play in plays.plays for camera in plays.cameras_of(play))
    clips = size = 0
    for camera, count in sorted(needed.items()):
        footage = await videos.look(game_id, camera, plays.plays)
        size += footage.bytes
        if footage.error is None:
            clips += count
        else:
            problems.append(f"{camera}: {count} clips cannot be cut: {footage.detail}")
    return GameCheck(game_id, plays.rows, clips, size, tuple(problems))
