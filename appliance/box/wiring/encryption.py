"""TLS of the box: where its certificate is from, by the settings, and its part of /readyz.

What needs the cryptography package is loaded only with TLS on: it takes as long as a tenth of the start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from appliance.box.settings import Settings, SettingsError
from appliance.box.wiring.entrance import TLS_FOLDER, secure_address
from appliance.kernel.actor import running
from appliance.kernel.threads import in_thread
from appliance.network.announce import addresses_of
from appliance.ops.health import Board, HealthPart
from appliance.server.plain_port import Trust

if TYPE_CHECKING:
    from appliance.network.tls import Tls

log = structlog.get_logger("network")

WARN_DAYS = 14  # before the end of a certificate; the box renews its own 30 days before


@dataclass(frozen=True, slots=True)
class Encryption:
    """`trust`: what the plain port shows to devices."""

    tls: Tls
    trust: Trust

    @property
    def is_own(self) -> bool:
        """Whether the certificate is of the box's own authority."""
        return bool(self.trust.certificate)


@asynccontextmanager
async def encryption(settings: Settings, board: Board) -> AsyncIterator[Encryption | None]:
    """The box's certificate, kept current; None: TLS is off. Raises SettingsError."""
    if settings.server.tls == "off":
        yield None
        return
    from appliance.network.tls import run_tls

    made = await in_thread(open_encryption, settings)
    async with running("tls", run_tls, tls=made.tls):
        if made.is_own:
            log.info("authority", fingerprint=made.trust.fingerprint)
        board.add("certificate", partial(certificate_part, made.tls, is_own=made.is_own))
        yield made


def open_encryption(settings: Settings) -> Encryption:
    """Load or make the certificate. Blocks. Raises SettingsError naming the key to change."""
    from appliance.network.tls import CannotUse, GivenCertificate, Tls

    server = settings.server
    if server.tls == "files":
        tls = Tls(GivenCertificate(Path(server.tls_cert), Path(server.tls_key)))
        trust = Trust(settings.site.name, secure_address(settings))
    else:
        tls, trust = _own(settings)
    try:
        tls.load()
    except CannotUse as error:
        key = "tls_cert" if server.tls == "files" else "tls"
        raise SettingsError([f"server.{key}: {error}"]) from None
    return Encryption(tls, trust)


def _own(settings: Settings) -> tuple[Tls, Trust]:
    from appliance.network.certificates import open_authority, profile
    from appliance.network.tls import OwnCertificate, Tls

    site, folder = settings.site, settings.storage.state_dir / TLS_FOLDER
    try:
        authority = open_authority(folder, site.local_name, site.name)
    except (OSError, ValueError) as error:
        detail = f"the certificate authority in {folder} cannot be used ({error})"
        fix = "restore the folder from a backup, or remove it: devices must then trust a new one"
        raise SettingsError([f"server.tls: {detail}; {fix}"]) from None
    tls = Tls(OwnCertificate(folder, authority, site.local_name, partial(addresses_of, settings.server.host)))
    address = secure_address(settings)
    return tls, Trust(site.name, address, authority.der, profile(authority, site.name), authority.fingerprint)


def certificate_part(tls: Tls, *, is_own: bool) -> HealthPart:
    """For /readyz."""
    days = tls.days_left() or 0.0
    hint = "check the machine's clock" if is_own else "renew the files of server.tls_cert and server.tls_key"
    if tls.trouble:
        detail = f"{max(0, days):.0f} days left; a newer one cannot be used: {tls.trouble}"
        return HealthPart("warn" if days > 0 else "bad", detail, hint)
    if days <= 0:
        return HealthPart("bad", "the certificate has ended: tablets refuse the box", hint)
    is_near = days < WARN_DAYS
    return HealthPart("warn" if is_near else "ok", f"{days:.0f} days left", hint if is_near else None)
