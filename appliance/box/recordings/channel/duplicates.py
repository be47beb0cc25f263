"""Files that contain the same segment: one is the recording, all others are ignored and reported.

Owns: which one that is. Must not know: clocks, order, callers.
"""

from __future__ import annotations

from typing import Final

from appliance.box.recordings.segment_state import Segment

_NAMED_US: Final = 2_000_000  # names have whole seconds, from other clocks than NTP


class Copies:
    """For one channel. `ignored`: file name -> the file of the same run and number that counts."""

    def __init__(self) -> None:
        self.ignored: dict[str, str] = {}
        # By run and number: the only file (the usual case), or all its files by name. 100 h have 6,000.
        self._named: dict[str, dict[int, Segment | dict[str, Segment]]] = {}

    def note(self, segment: Segment) -> None:
        """The facts of a segment are known, or have changed."""
        facts = segment.facts
        if facts is None or facts.number is None:
            return
        of_run = self._named.setdefault(facts.run_id, {})
        known = of_run.setdefault(facts.number, segment)
        if known is segment:
            return
        if isinstance(known, Segment):
            known = of_run[facts.number] = {known.name: known}
        known[segment.name] = segment
        if len(known) > 1:
            self._choose(known)

    def forget(self, segment: Segment) -> None:
        self.ignored.pop(segment.name, None)
        facts = segment.facts
        if facts is None or facts.number is None:
            return
        of_run = self._named.get(facts.run_id, {})
        known = of_run.get(facts.number)
        if isinstance(known, dict):
            known.pop(segment.name, None)
            if known:
                self._choose(known)
                return
        elif known is None or known.name != segment.name:
            return
        del of_run[facts.number]
        if not of_run:
            del self._named[facts.run_id]

    def _choose(self, named: dict[str, Segment]) -> None:
        recording, *copies = (segment.name for segment in sorted(named.values(), key=_rank))
        self.ignored.pop(recording, None)
        self.ignored.update(dict.fromkeys(copies, recording))


def _rank(segment: Segment) -> tuple[object, ...]:
    """Smallest for the recording: it reaches furthest; of equal ones it is the one with the recorder's
    name."""
    facts, name = segment.facts, segment.name
    assert facts is not None
    is_named = (
        segment.name_us is not None
        and facts.ntp_us is not None
        and abs(segment.name_us - facts.ntp_us) <= _NAMED_US
    )
    return facts.reason is not None, -(facts.end_ns or 0), not is_named, len(name), name
