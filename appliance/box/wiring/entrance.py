"""Where a device begins that is not paired yet, by the settings: for `appliance pair` and for codes.

The console's command runs in a process of its own, so the authority is read from its file.
"""

from __future__ import annotations

from appliance.access.links import Entrance
from appliance.box.demo import page_addresses
from appliance.box.settings import Settings

TLS_FOLDER = "tls"  # of the state folder


def entrance(settings: Settings) -> Entrance:
    """Blocks for a moment with tls = "auto"."""
    server = settings.server
    page = page_addresses(server.host, server.port)[-1]
    if server.tls == "files":
        return Entrance(secure_address(settings))
    if server.tls == "off":
        return Entrance(page)
    from appliance.network.certificates import known_fingerprint  # a tenth of a second, with TLS only

    folder = settings.storage.state_dir / TLS_FOLDER
    return Entrance(page, server.port, known_fingerprint(folder))


def secure_address(settings: Settings) -> str:
    """The page with TLS on: by the name that the box's own certificate has, or by the first one given in the
    settings, which the certificate in the files should have."""
    server = settings.server
    name = settings.site.local_name
    if server.tls == "files" and server.allowed_hosts:
        name = server.allowed_hosts[0]
    return f"https://{f'[{name}]' if ':' in name else name}:{server.tls_port}"


def addresses_shown(settings: Settings, begin: Entrance) -> list[str]:
    """Lines for a person at the console: what to open, and the authority's fingerprint as devices show it."""
    server = settings.server
    if server.tls == "files":
        return [f"address   {secure_address(settings)}/pair"]
    plain = " or ".join(f"{each}/pair" for each in page_addresses(server.host, server.port))
    if server.tls == "off":
        return [f"address   {plain}"]
    fingerprint = begin.fingerprint.hex(":").upper() or "is made when the box is started"
    return [
        f"address   {plain}: how a device is made to trust the box, then its pairing",
        f"          {secure_address(settings)}/pair: on a device that trusts it",
        f"authority {fingerprint}",
    ]
