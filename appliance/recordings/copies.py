"""Files that are the same segment twice: one is the recording, all others are ignored and named.

Owns: which one that is. Must not know: clocks, order, who asks.
"""

from __future__ import annotations

from typing import Final

from appliance.recordings.segment_state import Segment

_NAMED_US: Final = 2_000_000  # names are cut to whole seconds, and by other clocks than NTP


class Copies:
    """Of one channel. `ignored`: file name -> the file of the same run and number that counts."""

    def __init__(self) -> None:
        self.ignored: dict[str, str] = {}
        self._named: dict[tuple[str, int], dict[str, Segment]] = {}

    def note(self, segment: Segment) -> None:
        """The facts of a segment are known, or have changed."""
        facts = segment.facts
        if facts is None or facts.number is None:
            return
        named = self._named.setdefault((facts.run_id, facts.number), {})
        named[segment.name] = segment
        if len(named) > 1:
            self._choose(named)

    def forget(self, segment: Segment) -> None:
        self.ignored.pop(segment.name, None)
        facts = segment.facts
        if facts is None or facts.number is None:
            return
        key = facts.run_id, facts.number
        named = self._named.get(key, {})
        named.pop(segment.name, None)
        if named:
            self._choose(named)
        else:
            self._named.pop(key, None)

    def _choose(self, named: dict[str, Segment]) -> None:
        kept, *copies = (segment.name for segment in sorted(named.values(), key=_rank))
        self.ignored.pop(kept, None)
        self.ignored.update(dict.fromkeys(copies, kept))


def _rank(segment: Segment) -> tuple[object, ...]:
    """Least for the recording: it reaches furthest; of equal ones it is the one that its recorder named."""
    facts, name = segment.facts, segment.name
    assert facts is not None
    is_named = (
        segment.name_us is not None
        and facts.ntp_us is not None
        and abs(segment.name_us - facts.ntp_us) <= _NAMED_US
    )
    return facts.reason is not None, -(facts.end_ns or 0), not is_named, len(name), name
