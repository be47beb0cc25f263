"""Channels in the settings that contradict each other, named by their dotted paths. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.box.channels.inputs import MAX_CHANNELS, InputPort, check_called_host, input_port_of


def contradictions(settings: Any) -> Iterator[str]:
    """One line per contradiction, each starting with the dotted path of the key to change."""
    yield from _channels(settings)
    yield from _listeners(settings)
    yield from _called(settings)
    yield from _heartbeat(settings)


def _channels(settings: Any) -> Iterator[str]:
    if len(settings.channels) > MAX_CHANNELS:
        yield f"channels: {len(settings.channels)} channels; a box follows at most {MAX_CHANNELS}"
        return
    first: dict[str, int] = {}
    for place, channel in enumerate(settings.channels):
        if first.setdefault(channel.id, place) != place:
            yield f"channels.{place}.id: {channel.id!r} is channels.{first[channel.id]} already"


def _listeners(settings: Any) -> Iterator[str]:
    known: list[tuple[int, InputPort]] = []
    for place, channel in enumerate(settings.channels[:MAX_CHANNELS]):
        listener = input_port_of(channel.input_url)
        if listener is None:
            continue
        other = next((at for at, earlier in known if earlier.clashes_with(listener)), None)
        if other is not None:
            yield (
                f"channels.{place}.input_url: port {listener.port} is listened on by channels.{other}"
                f" ({settings.channels[other].id}) already; give each camera a port of its own"
            )
        known.append((place, listener))


def _called(settings: Any) -> Iterator[str]:
    for place, channel in enumerate(settings.channels[:MAX_CHANNELS]):
        try:
            check_called_host(channel.input_url, settings.recorder.input_networks)
        except ValueError as error:
            yield f"channels.{place}.input_url: {error}"


def _heartbeat(settings: Any) -> Iterator[str]:
    beat = settings.heartbeat
    if beat.timeout_s <= beat.interval_s:
        yield (
            f"heartbeat.timeout_s: {beat.timeout_s:g} s is not longer than heartbeat.interval_s"
            f" ({beat.interval_s:g} s): every channel would be in error between two heartbeats"
        )
