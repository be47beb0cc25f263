"""A grey IDR picture to put before an H.264 stream that begins at a recovery point.

Owns: one coded grey picture for given parameter sets. Must not know: streams, boxes, callers.
Chromium 156's Media Source Extensions buffer nothing of a stream with intra refresh that has no IDR, whatever
its flags are. The recovery point after the grey picture does not refer to it. Every macroblock is Intra_16x16
with DC prediction and no residual. Interlaced coding, 4:4:4 and slice groups are not supported: None. Source:
ITU-T H.264 7.3.2, 7.3.3, 7.3.5, 9.3.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from appliance.media.bitstream.sps import Bits, skip_scaling_lists
from appliance.media.mp4.walk import Malformed

_CHROMA_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MOST_MACROBLOCKS: Final = 36_864  # MaxFS of level 5.2
# picture order counts between the grey picture and the recovery point, so that it is shown first
_LEAD: Final = 8


class _Sps(NamedTuple):
    frame_num_bits: int
    poc_type: int
    poc_bits: int
    order_always_zero: int
    macroblocks: int
    across: int
    chroma: int


class _Pps(NamedTuple):
    id: int
    cabac: int
    order_in_frame: int
    qp: int
    deblocking_control: int
    redundant: int


def blank_idr(sps_nal: bytes, pps_nal: bytes, recovery_slice: bytes) -> bytes | None:
    """The NAL unit; None where it cannot be made. `recovery_slice`: the first slice of the recovery point."""
    try:
        sps, pps = _read_sps(sps_nal), _read_pps(pps_nal)
        if sps is None or pps is None:
            return None
        return _coded(sps, pps, _order_count(sps, recovery_slice))
    except Malformed:
        return None


def _read_sps(nal: bytes) -> _Sps | None:
    bits = Bits(nal, 1)
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    chroma = 1
    if profile in _CHROMA_PROFILES:
        chroma = bits.ue()
        if chroma > 2:
            return None
        bits.ue()
        bits.ue()
        bits.take(1)
        if bits.take(1):
            skip_scaling_lists(bits, 8)
    frame_num_bits = bits.ue() + 4
    poc_type, poc_bits, always_zero = bits.ue(), 0, 1
    if poc_type == 0:
        poc_bits = bits.ue() + 4
    elif poc_type == 1:
        always_zero = bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue()
    bits.take(1)
    across, down = bits.ue() + 1, bits.ue() + 1
    if not bits.take(1) or across * down > _MOST_MACROBLOCKS or max(frame_num_bits, poc_bits) > 16:
        return None  # interlaced, or no picture at all
    return _Sps(frame_num_bits, poc_type, poc_bits, always_zero, across * down, across, chroma)


def _read_pps(nal: bytes) -> _Pps | None:
    bits = Bits(nal, 1)
    number = bits.ue()
    bits.ue()
    cabac, order_in_frame = bits.take(1), bits.take(1)
    if bits.ue():
        return None  # slice groups
    bits.ue()
    bits.ue()
    bits.take(3)
    qp = 26 + bits.se()
    bits.se()
    bits.se()
    deblocking, _, redundant = bits.take(1), bits.take(1), bits.take(1)
    return _Pps(number, cabac, order_in_frame, qp, deblocking, redundant)


def _order_count(sps: _Sps, recovery_slice: bytes) -> int:
    """pic_order_cnt_lsb of the grey picture, _LEAD before the recovery point's."""
    if sps.poc_type:
        return 0
    bits = Bits(recovery_slice[:64], 1)
    for _ in range(3):
        bits.ue()
    bits.take(sps.frame_num_bits)
    return (bits.take(sps.poc_bits) - _LEAD) % (1 << sps.poc_bits)


@lru_cache(maxsize=64)
def _coded(sps: _Sps, pps: _Pps, order_count: int) -> bytes:
    header = (
        _ue(0) + _ue(7) + _ue(pps.id) + "0" * sps.frame_num_bits + _ue(0)
    )  # I slice, frame_num, idr_pic_id
    if sps.poc_type == 0:
        header += f"{order_count:0{sps.poc_bits}b}" + _ue(0) * pps.order_in_frame
    elif sps.poc_type == 1 and not sps.order_always_zero:
        header += _ue(0) * (1 + pps.order_in_frame)
    header += _ue(0) * pps.redundant + "00"  # nothing kept of what was before
    header += _ue(0)  # slice_qp_delta
    header += _ue(1) * pps.deblocking_control
    if pps.cabac:
        aligned = header + "1" * (-len(header) % 8)
        payload = _bytes(aligned) + _with_cabac(sps.macroblocks, sps.across, sps.chroma, pps.qp)
    else:
        payload = _bytes(header + _with_cavlc(sps))
    return b"\x65" + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _ue(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _with_cavlc(sps: _Sps) -> str:
    """Bits of all macroblocks: mb_type 3, chroma prediction DC, no change of QP, no coefficient; stop bit."""
    return (_ue(3) + "1" * (3 if sps.chroma else 2)) * sps.macroblocks + "1"


# -- CABAC (9.3) --------------------------------------------------------------------------------------------

_RANGE_LPS: Final = bytes.fromhex(  # table 9-44, four columns for each state
    "80b0d0f080a7c5e3809ebbd87b96b2cd748ea9c36f87a0b9698098af647a90a65f74899e5a6e829655687b8e516375874d5e"
    "6f804959697a4555647442505f6e3e4c5a683b4856633845515e35414d59333e4955303b45502e38424c2b353f4829323b45"
    "27303841252d363e232b333b2129303820272e351e252b321d2329301b21272d1a1f252b181e2329171c2127161b2025151a"
    "1e2314181d2113171b1f12161a1e1115191c1014171b0f1316190e1215180e1114170d1013160c0f12150c0e11140b0e1013"
    "0b0d0f120a0c0f110a0c0e10090b0d0f090b0c0e080a0c0e08090b0d07090b0c07090a0c07080a0b0608090b0607090a0607"
    "080902020202"
)
_NEXT_LPS: Final = bytes.fromhex(  # transIdxLPS of table 9-45
    "000001020204040506070809090b0b0c0d0d0f0f10101212131315151616171818191a1a1b1b1c1d1d1e1e1e1f2020212121"
    "222223232324242425252526263f"
)
# (m, n) of the contexts used, for I slices (tables 9-12, 9-13, 9-17, 9-18)
_CONTEXTS: Final = {
    3: (20, -15), 4: (2, 54), 5: (3, 74), 6: (-28, 127), 7: (-23, 104), 9: (-1, 54), 10: (7, 51),
    60: (0, 41), 64: (-9, 83), 85: (-17, 123), 86: (-12, 115), 87: (-16, 122), 88: (-11, 115),
}  # fmt: skip


class _Encoder:
    """The arithmetic encoder of 9.3.4.2, with the contexts of one slice."""

    def __init__(self, qp: int) -> None:
        self._low, self._range, self._outstanding = 0, 510, 0
        self._bits: list[str] = []
        self._is_first = True
        self._contexts: dict[int, list[int]] = {}
        for number, (m, n) in _CONTEXTS.items():
            state = max(1, min(126, (m * max(0, min(51, qp)) >> 4) + n))
            self._contexts[number] = [63 - state, 0] if state <= 63 else [state - 64, 1]

    def decide(self, number: int, value: int) -> None:
        context = self._contexts[number]
        state = context[0]
        least = _RANGE_LPS[4 * state + (self._range >> 6 & 3)]
        self._range -= least
        if value == context[1]:
            context[0] = min(state + 1, 62)
        else:
            self._low += self._range
            self._range = least
            if not state:
                context[1] ^= 1
            context[0] = _NEXT_LPS[state]
        self._renormalise()

    def end(self, value: int) -> None:
        """A decision that ends the slice when it is 1; the stop bit then follows automatically."""
        self._range -= 2
        if value:
            self._low += self._range
            self._range = 2
        self._renormalise()
        if value:
            self._put(self._low >> 9 & 1)
            self._bits.append(f"{self._low >> 7 & 3 | 1:02b}")

    def data(self) -> bytes:
        return _bytes("".join(self._bits))

    def _renormalise(self) -> None:
        while self._range < 256:
            if self._low < 256:
                self._put(0)
            elif self._low >= 512:
                self._low -= 512
                self._put(1)
            else:
                self._low -= 256
                self._outstanding += 1
            self._range <<= 1
            self._low <<= 1

    def _put(self, bit: int) -> None:
        if self._is_first:
            self._is_first = False
        else:
            self._bits.append(str(bit))
        self._bits.append(str(1 - bit) * self._outstanding)
        self._outstanding = 0


@lru_cache(maxsize=16)  # 0.1 s for 1920x1080
def _with_cabac(macroblocks: int, across: int, chroma: int, qp: int) -> bytes:
    """All macroblocks: the same bins as in _with_cavlc; contexts depend on the left and upper neighbours."""
    encoder = _Encoder(qp)
    for number in range(macroblocks):
        left, above = number % across > 0, number >= across
        encoder.decide(3 + left + above, 1)  # neighbours are Intra_16x16 too
        encoder.end(0)  # not I_PCM
        for context, value in ((6, 0), (7, 0), (9, 1), (10, 0)):
            encoder.decide(context, value)
        if chroma:
            encoder.decide(64, 0)
        encoder.decide(60, 0)
        encoder.decide(85 + (not left) + 2 * (not above), 0)
        encoder.end(int(number == macroblocks - 1))
    return encoder.data()
