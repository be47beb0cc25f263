"""The checks of access in `appliance doctor`: open or paired, the name, the certificate, MediaMTX's users.

Owns: reading the present state. Pure functions decide what it means. Changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from appliance.box.mediamtx.client import MediamtxAccess
from appliance.box.settings import DEMO_ID, Settings
from appliance.kernel.threads import in_thread
from appliance.network.announce import all_addresses, resolve
from appliance.ops.health import HealthPart

WARN_DAYS = 14  # the box renews its own certificate 30 days before its end
PAIR = "`appliance pair --role admin`"
WRITE_USERS = "sudo appliance mediamtx-config"


def access_part(settings: Settings) -> HealthPart:
    if settings.server.is_loopback:
        return HealthPart("ok", f"only this machine reaches the box (server.host = {settings.server.host})")
    return open_to_all(settings) or HealthPart("ok", f"devices are paired: {PAIR} makes the first code")


def open_to_all(settings: Settings) -> HealthPart | None:
    """The warning that everybody in the network may use the box; None when that is not so, or in a demo,
    which prints it when it starts."""
    if settings.access.mode != "open" or settings.server.is_loopback or settings.site.id == DEMO_ID:
        return None
    detail = "everybody who reaches the box may read, change and stop everything"
    hint = f'remove access.mode = "open" from the settings, and pair the devices: {PAIR}'
    return HealthPart("bad", detail, hint)


# -- the name ---------------------------------------------------------------------------------------------


async def look_up_name(settings: Settings) -> HealthPart:
    """Ask the network for the box's name."""
    name = settings.site.local_name
    if settings.server.is_loopback:
        return HealthPart("ok", f"{name} is not announced: only this machine reaches the box")
    try:
        found = await in_thread(resolve, name, abandon_on_cancel=True)
    except OSError as error:
        hint = "connect the machine to the stadium's network; tablets need its address then"
        return HealthPart("warn", f"the network cannot be asked for {name}: {error}", hint)
    return name_part(name, found, all_addresses())


def name_part(name: str, found: Sequence[str], own: Collection[str]) -> HealthPart:
    """Whether the name leads to the box. `found`: the addresses that the network gives for it; `own`: those
    of this machine."""
    others = sorted(set(found) - set(own))
    if others:
        detail = f"{name} is another machine too: {', '.join(others)}"
        return HealthPart("bad", detail, "give one of the two boxes another site.id, and restart it")
    if not found:
        hint = "start the box; if it runs, does a firewall drop UDP 5353? Until then tablets need the address"
        return HealthPart("warn", f"no machine in the network answers to {name}", hint)
    return HealthPart("ok", f"{name} leads to {', '.join(sorted(found))}")


# -- the certificate --------------------------------------------------------------------------------------


async def look_at_certificate(settings: Settings) -> HealthPart:
    server = settings.server
    if server.tls == "off":
        return HealthPart("ok", "not used: server.tls = off")
    own = settings.storage.state_dir / "tls" / "box.pem"
    file = own if server.tls == "auto" else Path(server.tls_cert)
    return await in_thread(_certificate, file, settings, abandon_on_cancel=True)


def _certificate(file: Path, settings: Settings) -> HealthPart:
    from appliance.network.certificates import facts_of  # here: it takes a tenth of a second
    from appliance.network.tls import now

    is_own = settings.server.tls == "auto"
    try:
        ends, names = facts_of(file.read_bytes())
    except FileNotFoundError:
        if is_own:
            return HealthPart("ok", "made at the first start of the box")
        return HealthPart("bad", f"{file} is not there", "set server.tls_cert to the certificate's file")
    except (OSError, ValueError) as error:
        hint = "remove it: the box makes another" if is_own else "server.tls_cert must be in PEM"
        return HealthPart("bad", f"{file} cannot be read: {error}", hint)
    wanted = (settings.site.local_name, *settings.server.allowed_hosts)
    return certificate_part(ends, names, wanted, now(), is_own=is_own)


def certificate_part(
    ends: datetime, names: Sequence[str], wanted: Sequence[str], now: datetime, *, is_own: bool
) -> HealthPart:
    """Whether the certificate is valid for long enough and for the box. `wanted`: names by which tablets open
    the box; one of them, or an address, must be in the certificate."""
    renew = "renew the files of server.tls_cert and server.tls_key"
    if is_own:
        renew = "start the box: it renews it"
    days = (ends - now) / timedelta(days=1)
    if days <= 0:
        return HealthPart("bad", f"ended on {ends:%Y-%m-%d}: tablets refuse the box", renew)
    good = [each for each in wanted if any(_covers(name, each) for name in names)]
    detail = f"until {ends:%Y-%m-%d} ({days:.0f} days), for {', '.join(names) or 'no name'}"
    if not good and not any(_is_address(name) for name in names):
        hint = f"get one for {' or '.join(wanted)}, or add its name to server.allowed_hosts"
        return HealthPart("bad", f"{detail}: tablets that open {wanted[0]} refuse the box", hint)
    return HealthPart("warn", detail, renew) if days < WARN_DAYS else HealthPart("ok", detail)


def _covers(name: str, wanted: str) -> bool:
    name, wanted = name.lower(), wanted.lower()
    return name == wanted or (name.startswith("*.") and wanted.partition(".")[2] == name[2:])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# -- MediaMTX's users -------------------------------------------------------------------------------------


def users_part(access: MediamtxAccess, channels: Sequence[str], answers_strangers: bool) -> HealthPart:
    """Who may use MediaMTX, by its running settings. `answers_strangers`: its API answers without a login."""
    if access.method != "internal":
        detail = f"authMethod is {access.method}: no camera can connect while that server is down"
        return HealthPart("bad", detail, WRITE_USERS)
    if answers_strangers:
        detail = "MediaMTX's API answers without a login: any program on this machine can run commands by it"
        return HealthPart("bad", detail, WRITE_USERS)
    everybody = sorted(
        {
            "send" if user.may("publish") else "watch"
            for user in access.users
            if user.name == "any" and not user.addresses and (user.may("publish") or user.may("read"))
        }
    )
    if everybody:
        return HealthPart("bad", f"everybody in the network may {' and '.join(everybody)}", WRITE_USERS)
    unknown = [each for each in channels if not any(user.may("publish", each) for user in access.users)]
    if unknown:
        detail = f"no camera may send to {', '.join(unknown)}"
        return HealthPart("bad", detail, f"{WRITE_USERS}: it prints what to type into the encoder")
    return HealthPart("ok", f"{len(channels)} channels, each with a user of its own")
