"""Requests for deletion: of a game, or of a player. They hold for every later run, and for what is there
already.

Owns: the file `deletions.json` at the root. Of a player it has a hash, because the list must not name the
people who asked not to be named. All calls block.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.box.datasets.model import Play
from appliance.box.datasets.outputs.entries import Clip, game_key
from appliance.box.datasets.runs.manifest import CAUSES, Manifest
from appliance.box.datasets.runs.publish import (
    publish,
    put_manifest,
    read_manifest,
    read_versions,
    remove_unlisted,
    withdraw,
)
from appliance.box.datasets.storage.model import Expected, Storage

DELETIONS: Final = "deletions.json"
PLAYER_COLUMNS: Final = ("players", "player", "player_id", "player_name")


@dataclass(frozen=True, slots=True)
class Deletions:
    games: frozenset[str] = frozenset()
    players: frozenset[str] = field(default=frozenset(), repr=False)  # hashes
    version: str | Expected = Expected.NOTHING

    @classmethod
    def read(cls, out: Storage) -> Deletions:
        """Raises OSError."""
        stored = out.find(DELETIONS)
        if stored is None:
            return cls()
        try:
            value = json.loads(out.read(DELETIONS))
            return cls(frozenset(value["games"]), frozenset(value["players"]), stored.version)
        except (ValueError, TypeError, KeyError):
            words = "the list of deletions cannot be read; a run never guesses"
            raise OSError(errno.EINVAL, words, DELETIONS) from None

    def drops(self, play: Play) -> bool:
        return self.drops_fields(play.fields)

    def drops_fields(self, fields: dict[str, Any]) -> bool:
        """Whether a play's columns name a player who asked for deletion."""
        return bool(self.players) and any(hash_of(name) in self.players for name in named(fields))

    def adding(self, games: Sequence[str], players: Sequence[str]) -> Deletions:
        hashes = frozenset(map(hash_of, players))
        return Deletions(self.games | frozenset(games), self.players | hashes, self.version)

    def write(self, out: Storage) -> None:
        """Raises ChangedMeanwhile, OSError."""
        value = {"games": sorted(self.games), "players": sorted(self.players)}
        out.put(DELETIONS, json.dumps(value, indent=1).encode(), self.version)


def hash_of(player: str) -> str:
    return hashlib.sha256(" ".join(player.casefold().split()).encode()).hexdigest()


def named(fields: dict[str, Any]) -> list[str]:
    """The players that a play's columns name: a list, or text with commas or semicolons between."""
    names: list[str] = []
    for column in PLAYER_COLUMNS:
        value = fields.get(column)
        values = value if isinstance(value, list) else str(value or "").replace(";", ",").split(",")
        names += [str(each).strip() for each in values if str(each).strip()]
    return names


def delete_now(out: Storage, deletions: Deletions, manifests: Sequence[Manifest], work: Path) -> list[str]:
    """Apply the list to every game that is there: its outputs are written again without what was deleted.
    Returns the games that changed."""
    changed = []
    for manifest in manifests:
        game_id = manifest.game_id
        if game_id in deletions.games:
            delete_game(out, game_id)
            changed.append(game_id)
        elif any(deletions.drops_fields(clip.fields) for clip in manifest.clips):
            kept = [clip for clip in manifest.clips if not deletions.drops_fields(clip.fields)]
            export_again(out, manifest, kept, work)
            changed.append(game_id)
    return changed


def delete_game(out: Storage, game_id: str) -> None:
    """Everything of the game; first what lists the rest."""
    withdraw(out, game_id)
    for key in [stored.key for stored in out.keys(game_key(game_id))]:
        out.delete(key)


def export_again(out: Storage, manifest: Manifest, clips: Sequence[Clip], work: Path) -> None:
    """The outputs of a game from the clips that stay. Raises ChangedMeanwhile, OSError."""
    versions = read_versions(out, manifest.game_id)
    if clips:
        left = {clip.play_id for clip in clips}
        split = manifest.split
        if split is not None:
            sides = {clip.play_id: clip.side for clip in clips}
            training = sum(side == "training" for side in sides.values())
            counts = {"training_plays": training, "validation_plays": len(left) - training}
            split = split.model_copy(update=counts)
        changes: dict[str, Any] = {"successful_clips": len(clips), "split": split}
        publish(out, manifest.model_copy(update=changes), clips, versions, work)
        return
    withdraw(out, manifest.game_id)
    remove_unlisted(out, manifest.game_id, (), ())
    changes = {
        "status": "failed",
        "cause": "no_plays",
        "reason": CAUSES["no_plays"],
        "clips": (),
        "files": (),
    }
    current = read_manifest(out, manifest.game_id) or manifest
    none_left = {**changes, "successful_clips": 0, "jsonl_files": None}
    put_manifest(out, current.model_copy(update=none_left), versions)
