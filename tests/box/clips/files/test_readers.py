"""Which cuts are being read, and that the list does not grow."""

from __future__ import annotations

from appliance.box.clips.files import readers
from appliance.box.clips.files.readers import Readers


def test_a_cut_that_is_being_read_is_never_quiet_and_others_are_timed() -> None:
    now = [0.0]
    who = Readers(lambda: now[0])
    assert who.quiet_s("clip", 1) is None
    with who.reading("clip", 1), who.reading("clip", 1):
        now[0] = 50.0
        assert who.quiet_s("clip", 1) == 0.0
    now[0] = 80.0
    assert who.quiet_s("clip", 1) == 30.0
    assert who.quiet_s("clip", 2) is None


def test_the_memory_for_readers_does_not_grow_with_the_number_of_clips() -> None:
    who = Readers(lambda: 0.0)
    for number in range(3 * readers.KEPT):
        with who.reading(f"clip-{number}", 1):
            pass
    assert (len(who._last_s), len(who._open)) == (readers.KEPT, 0)
    assert who.quiet_s("clip-0", 1) is None
