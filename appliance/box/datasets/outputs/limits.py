"""The limits of a tuning job, checked before anything is listed: a job drops longer examples without a word.

Owns: the limits of video tuning of Gemini (as of 2026). Must not know: files. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from appliance.box.datasets.outputs.entries import Clip
from appliance.box.datasets.outputs.lines import MEDIA_RESOLUTION, MediaResolution

VIDEO_BYTES_MAX: Final = 100_000_000
DURATION_MAX_S: Final[dict[MediaResolution, float]] = {
    "MEDIA_RESOLUTION_LOW": 20 * 60.0,
    "MEDIA_RESOLUTION_MEDIUM": 5 * 60.0,
    "MEDIA_RESOLUTION_HIGH": 5 * 60.0,
}
FILE_BYTES_MAX: Final = 1_000_000_000
EXAMPLES_MAX: Final = 300_000
VALIDATION_MAX: Final = 5_000
EXAMPLES_WANTED: Final = 100


class Problem(NamedTuple):
    """`is_fatal`: the job would refuse the file. `clip`: the name of the clip it is about, "" for the
    whole."""

    code: str
    detail: str
    is_fatal: bool
    clip: str = ""


def clip_problem(clip: Clip, resolution: MediaResolution = MEDIA_RESOLUTION) -> Problem | None:
    """Why a clip cannot be an example; None when it can."""
    if clip.bytes > VIDEO_BYTES_MAX:
        detail = f"{clip.bytes} bytes; a video may have {VIDEO_BYTES_MAX}"
        return Problem("video_too_large", detail, False, clip.name)
    if clip.duration_s > DURATION_MAX_S[resolution]:
        detail = f"{clip.duration_s:g} s; a video may last {DURATION_MAX_S[resolution]:g} s"
        return Problem("video_too_long", detail, False, clip.name)
    if not clip.uri.startswith("gs://"):
        return Problem("not_in_a_bucket", f"a tuning job reads gs:// alone, not {clip.uri}", False, clip.name)
    return None


def accepted(clips: Iterable[Clip]) -> tuple[list[Clip], list[Problem]]:
    """The clips that can be examples, and why the others cannot. Clips outside Google's storage are kept: the
    folder may be copied there; the card reports it."""
    kept: list[Clip] = []
    problems: list[Problem] = []
    for clip in clips:
        problem = clip_problem(clip)
        if problem is not None:
            problems.append(problem)
        if problem is None or problem.code == "not_in_a_bucket":
            kept.append(clip)
    return kept, problems


def file_problems(training: Sequence[bytes], validation: Sequence[bytes]) -> list[Problem]:
    """What is wrong with both files as a whole; each is given as its lines."""
    problems: list[Problem] = []
    for name, lines in (("training", training), ("validation", validation)):
        size = sum(map(len, lines))
        if size > FILE_BYTES_MAX:
            detail = f"the {name} file has {size} bytes; {FILE_BYTES_MAX} are allowed"
            problems.append(Problem("file_too_large", detail, True))
    if (count := len(training) + len(validation)) > EXAMPLES_MAX:
        problems.append(Problem("too_many_examples", f"{count} examples; {EXAMPLES_MAX} are allowed", True))
    if len(validation) > VALIDATION_MAX:
        detail = f"{len(validation)} validation examples; {VALIDATION_MAX} are allowed"
        problems.append(Problem("too_many_validation_examples", detail, True))
    if 0 < len(training) < EXAMPLES_WANTED:
        detail = f"{len(training)} training examples; about {EXAMPLES_WANTED} are a beginning"
        problems.append(Problem("few_examples", detail, False))
    return problems
