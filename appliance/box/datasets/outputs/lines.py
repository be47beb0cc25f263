"""JSONL of both kinds: the lines of the first pipeline, and those that Gemini is tuned with today.

Owns: the content of a line. Must not know: files. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from appliance.box.datasets.outputs.entries import Clip

MediaResolution = Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"]
MEDIA_RESOLUTION: Final[MediaResolution] = "MEDIA_RESOLUTION_LOW"
"""One value for all lines: a tuning job refuses files with several."""
INSTRUCTION: Final = "Describe the play in this clip."
"""What the model is asked. The play's text is the answer that it is to learn."""


def seed_lines(clips: Iterable[Clip]) -> bytes:
    """{"videoGcsUri", "textPrompt"}: one line for each clip, so both angles of a play have the same text."""
    return _lines({"videoGcsUri": clip.uri, "textPrompt": clip.prompt} for clip in clips)


def gemini_lines(clips: Iterable[Clip], resolution: MediaResolution = MEDIA_RESOLUTION) -> bytes:
    """Supervised tuning on video: a clip and a fixed instruction, answered by the play's text."""
    return _lines(gemini_example(clip, resolution) for clip in clips)


def gemini_example(clip: Clip, resolution: MediaResolution = MEDIA_RESOLUTION) -> dict[str, Any]:
    return {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"fileData": {"fileUri": clip.uri, "mimeType": "video/mp4"}},
                    {"text": INSTRUCTION},
                ],
            },
            {"role": "model", "parts": [{"text": clip.prompt}]},
        ],
        "generationConfig": {"mediaResolution": resolution},
    }


def hf_lines(clips: Iterable[Clip]) -> bytes:
    """metadata.jsonl of a video folder: `file_name` beside it, and what is known of the clip."""
    return _lines({"file_name": f"{clip.name}.mp4", **facts(clip)} for clip in clips)


def facts(clip: Clip) -> dict[str, Any]:
    """What a sample's JSON says of its clip, the same in every format that has room for it. Metadata of the
    play is one JSON text, because a column of a table needs one type."""
    return {
        "text": clip.prompt,
        "game_id": clip.game_id,
        "play_id": clip.play_id,
        "camera": clip.camera,
        "start_s": clip.start_s,
        "end_s": clip.end_s,
        "duration_s": clip.duration_s,
        "frames": clip.frames,
        "sha256": clip.sha256,
        "metadata": json.dumps(clip.fields, ensure_ascii=False, sort_keys=True),
    }


def _lines(records: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
