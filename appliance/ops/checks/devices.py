"""What /readyz and `appliance doctor` say of paired devices. Pure, but for reading the registry's memory.

Owns: the judgement. Must not know: tokens, requests.
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.access.registry import Known, Registry
from appliance.box.settings import Settings
from appliance.ops.health import HealthPart

NAMES_MAX = 4
TOKEN = "appliance pair --role capture --channel {} --token-file FILE"
_RENEW = (
    "a tablet renews its access by itself when it opens the encrypted page; a program by POST"
    " /devices/self/token, or give it a new token: `appliance pair --role ROLE --token-file FILE`"
)


def devices_part(registry: Registry, settings: Settings) -> HealthPart:
    """The worst of what is known; with `settings` for whether TLS is on."""
    devices = registry.devices()
    if shared := [known for known in devices if known.is_shared]:
        detail = f"the access of {names_of(shared)} is used by a second device, which has read its token"
        return HealthPart("bad", detail, "Devices, Remove; then pair the right device again")
    if wrong := [known for known in devices if known.misdirected]:
        return _one_for_each_camera(wrong[0])
    exposed = [known for known in devices if known.plain_left is not None]
    if exposed and settings.server.tls != "off":
        return _exposed(exposed)
    return HealthPart("ok", f"{len(devices)} paired", figures={"devices": float(len(devices))})


def _one_for_each_camera(known: Known) -> HealthPart:
    others = sorted(known.misdirected)
    detail = (
        f"{known.grant.name} reports for {', '.join(others)} too, but belongs to {known.channel_id}: those"
        " reports are refused"
    )
    return HealthPart("warn", detail, one_token_each(others[0]))


def one_token_each(channel_id: str) -> str:
    """What to type for a camera that shares its token with another one."""
    return f"a token is for one camera; make another: `{TOKEN.format(channel_id)}`"


def _exposed(exposed: list[Known]) -> HealthPart:
    ending = [known.plain_left for known in exposed if known.plain_left is not None and known.plain_left >= 0]
    when = f", the first in {min(ending)} days of use, never during a session" if ending else ""
    detail = f"{names_of(exposed)}: paired without encryption; access that is not renewed ends{when}"
    if not ending:
        detail = f"{names_of(exposed)}: paired without encryption; others may have read the token"
    return HealthPart("warn", detail, _RENEW)


def names_of(devices: Iterable[Known]) -> str:
    """ "Bench, North and 3 more"."""
    names = sorted(known.grant.name for known in devices)
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more
