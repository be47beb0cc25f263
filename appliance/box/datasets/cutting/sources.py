"""Where a unit's clips come from: a camera's file, or spans of recordings that the box has planned.

Owns: one interface over both. Blocking: run it in a thread. Must not know: workers, results.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from appliance.box.datasets.cutting.passes import Stretch, encoders_for, group
from appliance.box.datasets.cutting.planning import Camera, Laid, Refusal, times_of
from appliance.box.datasets.model import ClipJob, PlannedSpan, Unit
from appliance.media.mp4.raw_times import raw_times
from appliance.media.mp4.walk import Malformed


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

    def passes(self, numbers: Sequence[int], encoders: int) -> list[tuple[int, ...]]:
        """The jobs in groups that are decoded together."""
        ...

    def together(self, numbers: Sequence[int]) -> Laid:
        """One stretch that holds all these jobs. Raises Refusal."""
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

    def passes(self, numbers: Sequence[int], encoders: int) -> list[tuple[int, ...]]:
        stretches = [self._stretch(number) for number in numbers]
        video = self.camera.file.init.video
        most = encoders_for(video.width * video.height if video is not None else 0, encoders)
        return [tuple(each.number for each in mine) for mine in group(stretches, most)]

    def together(self, numbers: Sequence[int]) -> Laid:
        times = [times_of(self.jobs[number]) for number in numbers]
        return self.camera.lay(min(start for start, _ in times), max(end for _, end in times))

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

    def passes(self, numbers: Sequence[int], encoders: int) -> list[tuple[int, ...]]:
        """As the box grouped them."""
        alone = [(number,) for number in numbers if self.jobs[number].within is None]
        shared: dict[int, list[int]] = {}
        for number in numbers:
            if (span := self.jobs[number].within) is not None:
                shared.setdefault(span, []).append(number)
        return [*alone, *(tuple(mine) for mine in shared.values())]

    def together(self, numbers: Sequence[int]) -> Laid:
        within = {self.jobs[number].within for number in numbers}
        return self._laid(
            within.pop() if len(within) == 1 and len(numbers) > 1 else self.jobs[numbers[0]].span
        )

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
