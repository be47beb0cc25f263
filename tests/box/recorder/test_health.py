"""The embedded recorder in /readyz."""

from __future__ import annotations

from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recorder.health import recorder_part
from appliance.box.recorder.source_facts import ChannelFacts


async def test_a_camera_that_does_not_send_is_named_with_its_hint() -> None:
    recorder = RecorderHandle()
    recorder._facts["cam1"] = ChannelFacts("cam1", "receiving", 0, "srt://:8891")
    part = recorder_part(recorder)
    assert (part.status, part.detail) == ("ok", "1 cameras send")
    recorder._facts["cam2"] = ChannelFacts(
        "cam2", "waiting", 0, "srt://:8892", 0, "nobody calls", "start cam2"
    )
    part = recorder_part(recorder)
    assert part.status == "warn" and part.detail == "cam2 waiting for srt://:8892 (nobody calls)"
    assert part.hint == "start cam2"
