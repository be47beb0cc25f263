"""The headers of tus 1.0 (https://tus.io): read strictly, written. Pure.

Owns: the version, the extensions, what each header may hold. Must not know: rows, objects, who sends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

from appliance.http.problems import bad_header
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Refused

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,checksum,expiration,termination"
ALGORITHMS: Final = ("sha1", "sha256")
CONTENT_TYPE: Final = b"application/offset+octet-stream"
CHECKSUM_MISMATCH: Final = 460
RESUMABLE: Final = (b"tus-resumable", VERSION.encode())
_METADATA_MAX: Final = 4096
_DIGITS_MAX: Final = 15  # a bound for int(): a petabyte


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the body of one PATCH must hash to."""

    algorithm: str
    digest: bytes

    def begin(self) -> Any:
        """A hash of hashlib, for this algorithm."""
        return hashlib.new(self.algorithm)


def require_version(headers: Mapping[bytes, bytes]) -> None:
    """Raises Refused 412 for a client of another version, or of none."""
    if headers.get(b"tus-resumable", b"").strip() != VERSION.encode():
        detail = f"Tus-Resumable must be {VERSION}"
        raise Refused(412, "tus_version", detail, "use a client of tus 1.0", extra={"versions": [VERSION]})


def length_of(headers: Mapping[bytes, bytes]) -> int:
    """Upload-Length, in bytes. Raises Refused 400."""
    if b"upload-defer-length" in headers:
        raise bad_header("Upload-Defer-Length", "is not supported: send Upload-Length")
    return _number(headers, b"upload-length", "Upload-Length")


def offset_of(headers: Mapping[bytes, bytes]) -> int:
    """Upload-Offset, in bytes. Raises Refused 400; 415 for a body of another type."""
    sent = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if sent != CONTENT_TYPE:
        expected = CONTENT_TYPE.decode()
        raise Refused(415, "unsupported_media_type", f"Content-Type must be {expected}", f"send {expected}")
    return _number(headers, b"upload-offset", "Upload-Offset")


def _number(headers: Mapping[bytes, bytes], name: bytes, shown: str) -> int:
    sent = headers.get(name, b"").strip()
    if not sent.isdigit() or len(sent) > _DIGITS_MAX:
        raise bad_header(shown, "must be a number of bytes")
    return int(sent)


def checksum_of(headers: Mapping[bytes, bytes]) -> Checksum | None:
    """Upload-Checksum; None: none was sent. Raises Refused 400."""
    sent = headers.get(b"upload-checksum")
    if sent is None:
        return None
    algorithm, _, encoded = sent.strip().decode("latin-1").partition(" ")
    if algorithm not in ALGORITHMS:
        raise bad_header("Upload-Checksum", f"the algorithm must be one of {', '.join(ALGORITHMS)}")
    digest = _decoded("Upload-Checksum", encoded.strip())
    if len(digest) != hashlib.new(algorithm).digest_size:
        raise bad_header("Upload-Checksum", f"is not as long as a {algorithm}")
    return Checksum(algorithm, digest)


def metadata_of(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Upload-Metadata: pairs of a key and base64 of text, with commas between them. Raises Refused 400."""
    sent = headers.get(b"upload-metadata", b"").decode("latin-1")
    if len(sent) > _METADATA_MAX:
        raise bad_header("Upload-Metadata", f"has more than {_METADATA_MAX} characters")
    pairs: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in sent.split(","))):
        key, _, encoded = pair.partition(" ")
        if key in pairs:
            raise bad_header("Upload-Metadata", f"{key[:40]} is given twice")
        try:
            pairs[key] = _decoded("Upload-Metadata", encoded.strip()).decode()
        except UnicodeDecodeError:
            raise bad_header("Upload-Metadata", f"{key[:40]} is not text in UTF-8") from None
    return pairs


def _decoded(header: str, encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise bad_header(header, "must be base64") from None


def http_date(instant_us: int) -> str:
    """As Upload-Expires has it."""
    return formatdate(instant_us / S_US, usegmt=True)
