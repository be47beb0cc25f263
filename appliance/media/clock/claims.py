"""What the files of a run say together of when they were recorded: the odd one is not believed.

Owns: choosing between a file's own claim and what its neighbours say of it. Must not know: files, knots.

A recorder writes into each file when its first sample came (mtxi: NTP at DTS). One such time can be late by
seconds while those of the files before and after agree. A recorder whose estimate was set anew is no odd one:
all files after it agree with it, and with one before that all files before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from appliance.media.clock.envelope import MAX_SKEW

NEIGHBOURS: Final = 3  # files on each side that are asked
_AGREES_US: Final = 50_000  # MediaMTX's NTP itself steps by +-20 ms from file to file
_SOON_US: Final = 1_000_000  # a recording is written last when it ends
_EARLY_US: Final = 100_000


class Claim(NamedTuple):
    """A file begins at media time `media_us` of its run, which its recorder says was `wall_us`."""

    media_us: int
    wall_us: int

    @property
    def offset_us(self) -> int:
        return self.wall_us - self.media_us


def believed_us(
    own: Claim, others: Sequence[Claim], is_likely: Callable[[int], bool | None], leapt_us: int = 0
) -> int:
    """Wall time of a file's begin. `others`: the claims of other files of its run, the nearest ones.

    `is_likely` says of such a time whether the file was then written last when it ends (True), or before that
    (False); None: long after it, which a copy is too. `leapt_us`: by so much media time leaps in the file or
    after it, which the claims of later files do not say.
    """
    if not others:
        return own.wall_us
    slope, told_us = _line_through_most(own, others)
    late_us = own.wall_us - told_us
    if abs(late_us) <= _AGREES_US or 0 < late_us <= leapt_us + _AGREES_US:
        return own.wall_us
    by_own, by_others = is_likely(own.wall_us), is_likely(told_us)
    if _is_of_a_side(own, others, slope) and not (by_own is False and by_others):
        return own.wall_us
    is_between = min(others).media_us < own.media_us < max(others).media_us
    if late_us < 0 and not is_between and not by_others:
        return own.wall_us  # media time may have leapt before it
    if len(others) < 2:  # one against one: only the disk can tell
        return told_us if by_own is False and by_others else own.wall_us
    return own.wall_us if by_own and not by_others else told_us


def is_written_then(end_us: int, written_us: int) -> bool | None:
    """Of a file that ends at `end_us` and was written last at `written_us`, as `believed_us` asks."""
    if end_us > written_us + _EARLY_US:
        return False
    return True if written_us - end_us <= _SOON_US else None


def _is_of_a_side(own: Claim, others: Sequence[Claim], slope: float) -> bool:
    """Whether all files before it, or all after it, agree with it: then the clock was set beside it, or media
    time leapt. An odd claim agrees with none."""
    after = [own, *(one for one in others if one.media_us > own.media_us)]
    before = [own, *(one for one in others if one.media_us < own.media_us)]
    return any(1 < len(side) == _agreeing(side, own, slope) for side in (before, after))


def _line_through_most(own: Claim, others: Sequence[Claim]) -> tuple[float, int]:
    """Slope of the line that most claims agree with, the flattest of these, and the own file's wall time by
    it; the own claim where none has more than half of them. Of two claims it is the other one's."""
    if len(others) == 1:
        return 0.0, own.media_us + others[0].offset_us
    claims = [own, *others]
    best, slope, at = max(_lines(claims), key=lambda line: (line[0], -abs(line[1])))
    if 2 * best <= len(claims):
        at, slope = own, 0.0
    return slope, round(own.media_us + at.offset_us + slope * (own.media_us - at.media_us))


def _lines(claims: Sequence[Claim]) -> Iterator[tuple[int, float, Claim]]:
    """(claims that agree, slope, a claim on it) of the lines through two claims, and flat through each."""
    yield from ((_agreeing(claims, one, 0.0), 0.0, one) for one in claims)
    for one, other in combinations(claims, 2):
        run_us = other.media_us - one.media_us
        slope = (other.offset_us - one.offset_us) / run_us if run_us else 1.0
        if abs(slope) <= MAX_SKEW:
            yield _agreeing(claims, one, slope), slope, one


def _agreeing(claims: Sequence[Claim], at: Claim, slope: float) -> int:
    offs = (one.offset_us - at.offset_us - slope * (one.media_us - at.media_us) for one in claims)
    return sum(abs(off) <= _AGREES_US for off in offs)
