"""Signatures of Standard Webhooks: they prove who sent a message, and when. Pure.

The signed text is `{webhook-id}.{webhook-timestamp}.{body}`; a signature is `v1,` and the base64 of its
HMAC-SHA256. While a secret is replaced the header has one signature for each, separated by spaces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300  # difference of the clocks; an older message may be a replay by an eavesdropper
_SECRET_BYTES: Final = (24, 64)


class BadSignature(ValueError):
    """The message was not signed with the secret, or its timestamp is more than TOLERANCE_S from now."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key of a secret. Raises ValueError: not `whsec_` and base64 of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _SECRET_BYTES[0] <= len(key) <= _SECRET_BYTES[1]:
        raise ValueError("a secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def sign(held: Sequence[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. `held`: the secrets to sign with."""
    signatures = " ".join(_signature(secret, message_id, timestamp_s, body) for secret in held)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signatures,
    }


def verify(held: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """Check the signature; returns the message's id. `headers`: names in lower case. Raises BadSignature."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        raise BadSignature("webhook-id or webhook-timestamp is missing or malformed")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        raise BadSignature(f"webhook-timestamp is more than {TOLERANCE_S} s from now")
    shown = [each.encode() for each in headers.get("webhook-signature", "").split(" ")]
    expected = [_signature(secret, message_id, int(stamp), body).encode() for secret in held]
    if not any([hmac.compare_digest(one, other) for one in shown for other in expected]):  # noqa: C419  constant time
        raise BadSignature("no signature in webhook-signature is one of this message")
    return message_id


def _signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    text = b"%s.%d.%s" % (message_id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.new(key_of(secret), text, hashlib.sha256).digest()).decode()
