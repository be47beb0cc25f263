"""Choose the start time of a file of a run: a time that contradicts the run's other files is not used.

Owns: choosing between a file's own start time and the one that its neighbours imply. Must not know: files,
knots.

A recorder writes into each file when its first sample came (mtxi: NTP at DTS). One such time can be late by
seconds while those of the files before and after agree. A clock that was reset is a different case: then all
files after it agree with it, and all files before it with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from appliance.media.clock.envelope import MAX_SKEW

NEIGHBOURS: Final = 6  # files on each side that are compared: two wrong ones do not outvote the others
_AGREES_US: Final = 50_000  # MediaMTX's NTP itself steps by +-20 ms from file to file
_SOON_US: Final = 1_000_000  # a recording is written last when it ends
_EARLY_US: Final = 100_000


class StartClaim(NamedTuple):
    """A file's own statement: it begins at media time `media_us` of its run and at wall time `wall_us`."""

    media_us: int
    wall_us: int

    @property
    def offset_us(self) -> int:
        return self.wall_us - self.media_us


def believed_us(
    own: StartClaim,
    others: Sequence[StartClaim],
    is_likely: Callable[[int], bool | None],
    leapt_us: int = 0,
    most_leapt_us: int | None = None,
) -> int:
    """Wall time of a file's start. `others`: the claims of other files of its run, the nearest ones.

    `is_likely(time)`: with that start the file was last written when it ends (True), or before it ends
    (False); None: long after it, as is a copy. `leapt_us`: the amount that media time leaps in the file or
    after it, which the claims of later files do not include; `most_leapt_us`: the most that it leaps in and
    between all these files; None: unknown.
    """
    if all(abs(claim.offset_us - own.offset_us) <= _AGREES_US for claim in others):
        return own.wall_us
    slope, by_line_us = _line_through_most(own, others)
    late_us = own.wall_us - by_line_us
    if abs(late_us) <= _AGREES_US or 0 < late_us <= leapt_us + _AGREES_US:
        return own.wall_us
    by_own, by_others = is_likely(own.wall_us), is_likely(by_line_us)
    may_have_leapt = most_leapt_us is None or abs(late_us) <= most_leapt_us + _AGREES_US
    is_before, is_after = (_is_side(own, others, slope, sign) for sign in (1, -1))
    is_credible = (is_before and (late_us < 0 or may_have_leapt)) or (
        is_after and (late_us > 0 or may_have_leapt)
    )
    if is_credible and not (by_own is False and by_others):
        return own.wall_us
    if late_us < 0 and max(others) < own and may_have_leapt and not by_others:
        return own.wall_us
    if len(others) < 2:  # two claims that disagree: only the write time can decide
        return by_line_us if by_own is False and by_others else own.wall_us
    return own.wall_us if by_own and not by_others else by_line_us


def is_written_then(end_us: int, written_us: int) -> bool | None:
    """Whether a file that ends at `end_us` was last written then (`written_us`), as `is_likely` of
    `believed_us`."""
    if end_us > written_us + _EARLY_US:
        return False
    return True if written_us - end_us <= _SOON_US else None


def _is_side(own: StartClaim, others: Sequence[StartClaim], slope: float, sign: int) -> bool:
    """Whether all files before it (`sign` 1), or all after it (-1), and one more at least agree with it: then
    the clock was set, or media time leapt, at a later file, or at an earlier one."""
    claims = sorted([own, *others], reverse=sign < 0)
    side = claims[: max(2, claims.index(own) + 1)]
    return _agreeing(side, own, slope) == len(side)


def _line_through_most(own: StartClaim, others: Sequence[StartClaim]) -> tuple[float, int]:
    """Slope of the line that most claims agree with, the flattest of these, and the own file's wall time on
    it; the own claim if no line has more than half of them. Of two claims, the other one's."""
    if len(others) == 1:
        return 0.0, own.media_us + others[0].offset_us
    claims = [own, *others]
    best, slope, at = max(_lines(claims), key=lambda line: (line[0], -abs(line[1])))
    if 2 * best <= len(claims):
        at, slope = own, 0.0
    return slope, round(own.media_us + at.offset_us + slope * (own.media_us - at.media_us))


def _lines(claims: Sequence[StartClaim]) -> Iterator[tuple[int, float, StartClaim]]:
    """(claims that agree, slope, a claim on it) for each line through two claims, and a flat one through
    each."""
    yield from ((_agreeing(claims, first, 0.0), 0.0, first) for first in claims)
    for first, second in combinations(claims, 2):
        run_us = second.media_us - first.media_us
        slope = (second.offset_us - first.offset_us) / run_us if run_us else 1.0
        if abs(slope) <= MAX_SKEW:
            yield _agreeing(claims, first, slope), slope, first


def _agreeing(claims: Sequence[StartClaim], at: StartClaim, slope: float) -> int:
    offs = (claim.offset_us - at.offset_us - slope * (claim.media_us - at.media_us) for claim in claims)
    return sum(abs(off) <= _AGREES_US for off in offs)
