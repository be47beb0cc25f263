"""The embedded recorder in messages for people: its part of /readyz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.box.recorder.input_url import is_open_to_all
from appliance.box.recorder.source_facts import ChannelFacts
from appliance.ops.health import HealthPart

if TYPE_CHECKING:
    from appliance.box.recorder.embedded import RecorderHandle


def recorder_part(recorder: RecorderHandle) -> HealthPart:
    """The embedded recorder: which cameras are recorded, which are not and why, which were refused.

    Red: a stream arrives that is not recorded, or nothing could be. Amber: no camera sends, or one was
    refused.
    """
    facts = list(recorder.facts().values())
    troubled = [each for each in facts if each.state != "receiving"]
    lines = [_source_line(each) for each in troubled]
    lines += [
        f"{each.channel_id} refused {refusal.address}: {refusal.reason}"
        + (f" ({refusal.count} times)" * (refusal.count > 1))
        for each in facts
        for refusal in each.refused
    ]
    if not lines:
        return HealthPart("ok", f"{len(facts)} cameras send")
    failed = [each for each in troubled if each.state != "waiting"]
    hint = "look at who calls: address, passphrase, what it sends"
    if troubled:
        first = (failed or troubled)[0]
        hint = first.hint or f"start the camera of {first.channel_id}"
    return HealthPart("bad" if failed else "warn", "; ".join(lines), hint)


def inputs_part(recorder: RecorderHandle) -> HealthPart:
    """Which camera ports record any caller."""
    names = sorted(channel for channel, url in recorder.wanted().items() if is_open_to_all(url))
    if not names:
        return HealthPart("ok", "no camera port is open to everybody")
    return HealthPart(
        "warn",
        f"{', '.join(names)}: everybody in the network may send a picture to it",
        "append ?passphrase=... (10 characters or more) to its input_url, and set the same in the camera",
    )


def _source_line(facts: ChannelFacts) -> str:
    """The line of one channel that is not recorded."""
    if facts.state == "waiting":
        return f"{facts.channel_id} waiting for {facts.source}" + (f" ({facts.detail})" * bool(facts.detail))
    state = "not recorded" if facts.state == "unrecorded" else facts.state
    return f"{facts.channel_id} {state}: {facts.detail}"
