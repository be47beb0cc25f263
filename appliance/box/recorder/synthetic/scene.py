"""The picture of the synthetic camera: a pitch, a moving ball, its name, box time and the barcode.

Owns: pixels. Must not know: encoders, processes. Plain bytes: text is copied from glyph rows drawn once, a
640x360 picture costs about 0.2 ms, no array library is needed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from appliance.box.recorder.synthetic import barcode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GRASS, _STRIPE, _CHALK, _BALL, _INK, _PAPER = 78, 92, 180, 220, 235, 16
_GRASS_U, _GRASS_V = 108, 104
# 5x7 glyphs, one byte per column, bit 0 on top (the classic character LCD set)
_FONT: Final = {
    char: bytes.fromhex(columns)
    for char, columns in {
        "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10",
        "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e",
        "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941",
        "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
        "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e",
        "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
        "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807",
        "Z": "6151494543", ":": "0036360000", ".": "0060600000", "-": "0808080808", "#": "147f147f14",
        "_": "4040404040", " ": "0000000000",
    }.items()
}  # fmt: skip


class Scene:
    """One camera's picture. `luma(n, t)` gives the plane of frame `n` captured at `t` (us, box time).

    `stride` is the plane's bytes per row. The chroma planes never change.
    """

    def __init__(self, name: str, width: int, height: int, stride: int) -> None:
        self._name, self._width, self._height, self._stride = name.upper(), width, height, stride
        self._scale = max(1, width // 320)
        self._glyphs = {char: self._glyph(columns) for char, columns in _FONT.items()}
        self._pitch = self._draw_pitch()
        self._plane = bytearray(self._pitch)

    def luma(self, frame: int, instant_us: int) -> bytearray:
        """The plane; it is reused by the next call."""
        plane = self._plane
        plane[:] = self._pitch
        self._draw_ball(plane, instant_us)
        barcode.draw(plane, self._stride, self._width, frame, instant_us)
        moment = _EPOCH + timedelta(microseconds=instant_us)
        text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}  #{frame:06d}"
        self._write(plane, text, self._height - 2 * self._line())
        self._write(plane, self._name, self._height - 3 * self._line() - self._scale)
        return plane

    def chroma(self, stride: int) -> tuple[bytes, bytes]:
        """The two colour planes of a 4:2:0 picture."""
        size = stride * (self._height // 2)
        return bytes([_GRASS_U]) * size, bytes([_GRASS_V]) * size

    def _line(self) -> int:
        return 9 * self._scale

    def _glyph(self, columns: bytes) -> list[bytes]:
        """The nine rows of a character with its background, each pixel repeated `scale` times across."""
        rows = []
        for y in range(-1, 8):
            lit = [0 <= y < 7 and bool(column >> y & 1) for column in columns] + [False]
            rows.append(b"".join(bytes([_INK if on else _PAPER]) * self._scale for on in lit))
        return rows

    def _write(self, plane: bytearray, text: str, top: int) -> None:
        left = self._scale * 8
        glyphs = [self._glyphs.get(char, self._glyphs[" "]) for char in text]
        for y in range(9):
            row = b"".join([glyph[y] for glyph in glyphs])[: self._width - left]
            for repeat in range(self._scale):
                at = (top + y * self._scale + repeat) * self._stride + left
                plane[at : at + len(row)] = row

    def _draw_pitch(self) -> bytes:
        stripe = self._width // 10
        row = bytearray(self._stride)
        for x in range(self._width):
            row[x] = _CHALK if x % stripe == 0 else (_GRASS, _STRIPE)[x // stripe % 2]
        return bytes(row) * self._height

    def _draw_ball(self, plane: bytearray, instant_us: int) -> None:
        """Once across and back in four seconds, bouncing: a dropped frame is visible."""
        size = self._width // 20
        turn = instant_us % 4_000_000 / 4_000_000
        left = round((self._width - size) * (0.5 - 0.5 * math.cos(2 * math.pi * turn)))
        floor = self._height - 4 * self._line() - size
        ceiling = self._height // 4
        top = floor - round((floor - ceiling) * abs(math.sin(4 * math.pi * turn)))
        for y in range(size):
            half = round(math.sqrt(max(0.0, size * size / 4 - (y - size / 2) ** 2)))
            at = (top + y) * self._stride + left + size // 2 - half
            plane[at : at + 2 * half] = bytes([_BALL]) * (2 * half)
