"""The box's TLS certificate, kept current while it runs.

Owns: one `ssl.SSLContext`, which new connections use, and loading a newer certificate into it. Must not know:
settings, listeners.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import structlog
import trio
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from appliance.kernel.clock import wall_us
from appliance.kernel.threads import in_thread
from appliance.network.certificates import LEAF_NAME, Authority, renew_leaf

log = structlog.get_logger("network")

LOOK_S: Final = 15.0  # a new address or a new file is used within this time


class CannotUse(Exception):
    """A certificate or key that cannot be loaded; the text names the file and what is wrong."""


class CertificateSource(Protocol):
    """Where the certificate comes from."""

    def renew(self) -> tuple[Path, Path]:
        """The files of certificate and key, made anew if needed. Blocks. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Made by the box. `addresses`: those it has now."""

    folder: Path
    authority: Authority
    name: str
    addresses: Callable[[], Sequence[str]]

    def renew(self) -> tuple[Path, Path]:
        try:
            renew_leaf(self.folder, self.authority, self.name, self.addresses(), now())
        except OSError:  # a full disk must not keep the box from starting with the certificate it has
            if not (self.folder / LEAF_NAME).exists():
                raise
        return self.folder / LEAF_NAME, self.folder / LEAF_NAME


@dataclass(frozen=True, slots=True)
class GivenCertificate:
    """A certificate in files that an operator or another program keeps current."""

    certificate: Path
    key: Path

    def renew(self) -> tuple[Path, Path]:
        return self.certificate, self.key


class Newer(NamedTuple):
    """Files that were found loadable; `state` differs from that of earlier files."""

    certificate: Path
    key: Path
    ends: datetime
    state: tuple[object, ...]


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    context.load_cert_chain(certificate, key, password=lambda: b"")  # else OpenSSL asks on the terminal


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(slots=True)
class Tls:
    """`ends`: when the loaded certificate expires. `trouble`: why a newer one could not be loaded."""

    source: CertificateSource
    context: ssl.SSLContext = field(default_factory=_server_context)
    ends: datetime | None = None
    trouble: str = ""
    _loaded: tuple[object, ...] = ()

    def load(self) -> None:
        """Load the certificate if it is another one than before. Blocks. Raises CannotUse."""
        if (newer := self.find_newer()) is not None:
            self.use(newer)

    def find_newer(self) -> Newer | None:
        """The files to load, checked; None: the newest are loaded already. Blocks. Raises CannotUse."""
        place = "the certificate"
        try:
            certificate, key = self.source.renew()
            place = f"{certificate} with {key}"
            state = tuple((each.stat().st_mtime_ns, each.stat().st_ino) for each in (certificate, key))
            if state == self._loaded:
                return None
            leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
            _load(_server_context(), certificate, key)  # a wrong pair must not spoil the one in use
        except OSError as error:  # SSLError is one
            raise CannotUse(f"{place}: {error.strerror or error}") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CannotUse(f"{place}: no certificate in PEM: {error}") from error
        return Newer(certificate, key, leaf.not_valid_after_utc, state)

    def use(self, newer: Newer) -> None:
        """Use it for new connections. Call it in the thread that accepts them: OpenSSL's context must not
        change while a connection is made with it. Raises CannotUse."""
        try:
            _load(self.context, newer.certificate, newer.key)
        except OSError as error:
            raise CannotUse(f"{newer.certificate}: {error.strerror or error}") from error
        self.ends, self._loaded = newer.ends, newer.state

    def days_left(self) -> float | None:
        return None if self.ends is None else (self.ends - now()) / timedelta(days=1)


async def run_tls(*, tls: Tls, task_status: trio.TaskStatus[Tls] = trio.TASK_STATUS_IGNORED) -> None:
    """Keep `tls` current until cancelled. Start: its certificate is loaded. A newer one that cannot be loaded
    is shown in `trouble` and logged once; the one in use stays."""
    task_status.started(tls)
    logged = ""
    while True:
        await trio.sleep(LOOK_S)
        try:
            newer = await in_thread(tls.find_newer, abandon_on_cancel=True)
            if newer is not None:
                tls.use(newer)
            tls.trouble = ""
        except CannotUse as error:
            tls.trouble = str(error)
            if tls.trouble != logged:
                log.warning("certificate_refused", reason=tls.trouble)
        logged = tls.trouble


def now() -> datetime:
    """The wall clock, by which certificates are valid; not box time."""
    return datetime.fromtimestamp(wall_us() / 1e6, UTC)
