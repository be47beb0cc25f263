"""Where a unit's clips come from: a camera's file, or spans of recordings that the box has planned.

Owns: one interface over both. Blocking: run it in a thread. Must not know: workers, results.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Protocol

from appliance.box.datasets.cutting.passes import Stretch, encoders_for, group
from appliance.box.datasets.cutting.planning import Camera, Laid, Refusal, times_of
from appliance.box.datasets.model import ClipJob, PlannedSpan, Unit
from appliance.media.mp4.raw_times import raw_times
from appliance.media.mp4.walk import Malformed


@dataclass(frozen=True, slots=True)
class Pass:
    """Clips that are decoded together, and one stretch that holds them all."""

    numbers: tuple[int, ...]
    whole: Laid


class Source(Protocol):
    """`opens` counts how often a camera's file was opened, `size` is its bytes."""

    @property
    def descriptors(self) -> tuple[int, ...]: ...
    @property
    def opens(self) -> int: ...
    @property
    def size(self) -> int: ...
    def clip(self, number: int) -> Laid:
        """What job `number` shows. Raises Refusal."""
        ...

    def passes(self, laid: Mapping[int, Laid], encoders: int) -> list[Pass]:
        """The jobs of `laid` in groups that are decoded together."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class FromFile:
    """A camera's file."""

    camera: Camera
    jobs: Sequence[ClipJob]
    opens: int = 1

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self.camera.file.fd,)

    @property
    def size(self) -> int:
        return self.camera.file.size

    def clip(self, number: int) -> Laid:
        return self.camera.clip(self.jobs[number])

    def passes(self, laid: Mapping[int, Laid], encoders: int) -> list[Pass]:
        video = self.camera.file.init.video
        most = encoders_for(video.width * video.height if video is not None else 0, encoders)
        stretches = [self._stretch(number) for number in laid]
        return [each for mine in group(stretches, most) for each in self._together(mine, laid)]

    def _together(self, stretches: Sequence[Stretch], laid: Mapping[int, Laid]) -> list[Pass]:
        """One pass, or one for each clip where no stretch holds them all."""
        numbers = tuple(each.number for each in stretches)
        if len(numbers) > 1:
            with suppress(Refusal):
                start_us, end_us = stretches[0].start_us, max(each.end_us for each in stretches)
                return [Pass(numbers, self.camera.lay(start_us, end_us))]
        return [Pass((number,), laid[number]) for number in numbers]

    def close(self) -> None:
        self.camera.close()

    def _stretch(self, number: int) -> Stretch:
        start_us, end_us = times_of(self.jobs[number])
        return Stretch(number, self.camera.file.key_us(start_us), start_us, end_us)


@dataclass(slots=True)
class FromSpans:
    """Recordings of the box, read in place. They are opened once each; `opens` counts them."""

    spans: Sequence[PlannedSpan]
    jobs: Sequence[ClipJob]
    _files: dict[str, int] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def descriptors(self) -> tuple[int, ...]:
        return tuple(self._files.values())

    @property
    def opens(self) -> int:
        return len(self._files)

    @property
    def size(self) -> int:
        return sum(os.fstat(fd).st_size for fd in self._files.values())

    def clip(self, number: int) -> Laid:
        times_of(self.jobs[number])
        return self._laid(self.jobs[number].span)

    def passes(self, laid: Mapping[int, Laid], encoders: int) -> list[Pass]:
        """Each alone: a span shows one clip and no more."""
        return [Pass((number,), each) for number, each in laid.items()]

    def close(self) -> None:
        self._stack.close()

    def _laid(self, number: int | None) -> Laid:
        if number is None or not 0 <= number < len(self.spans):
            raise Refusal("source_unreadable", f"the unit has no planned span {number}")
        span = self.spans[number]
        try:
            header = base64.b64decode(span.header, validate=True)
            raw = raw_times(header)
        except (binascii.Error, Malformed) as exc:
            raise Refusal("source_unreadable", f"a planned span is unusable: {exc}") from exc
        ranges = tuple((self._file(piece.path), piece.offset, piece.length) for piece in span.pieces)
        return Laid(header, ranges, span.begin, raw, span.frames, span.duration_s)

    def _file(self, path: str) -> int:
        """The number of a recording among the descriptors. Raises Refusal."""
        if path not in self._files:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as exc:
                raise Refusal("source_missing", f"{os.path.basename(path)}: {exc.strerror}") from exc
            self._stack.callback(os.close, fd)
            self._files[path] = fd
        return list(self._files).index(path)


def open_source(unit: Unit) -> Source:
    """Raises Refusal: the whole camera is skipped."""
    if unit.source:
        return FromFile(Camera.open(unit.source), unit.jobs)
    return FromSpans(unit.spans, unit.jobs)
