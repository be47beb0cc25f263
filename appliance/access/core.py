"""Making, hashing, parsing and checking one-time codes, tokens and media keys. Pure.

Owns: their form and strength. Must not know: where they are kept, requests.

A code is 8 characters, 40 bits. A wrong code counts as a try of the code with the same first five characters
(25 bits), and five tries end it. So guesses at one code end it, and a flood of random codes does not: 1,000 a
second, for the hour that a code is valid at most, hit its first five characters five times with a chance of
1 in 10 million, and guess the code with a chance of 3 in a million. Knowing the first five characters leaves
5 tries for 32,768 possible ends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Container

CODE_CHARS = 8
SELECTOR_CHARS = 5
CODE_TRIES = 5  # wrong codes with the same first five characters; then the code ends
TOKEN_PREFIX = "sb1_"
MEDIA_KEY_S = 12 * 3600
WRONG_DELAY_S = 0.5  # delay of the answer to an address's first wrong code; each further one doubles it
WRONG_DELAY_MAX_S = 8.0

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_MAC_BYTES = 16
_ID_BYTES = 16


def new_code(taken: Container[str] = ()) -> str:
    """A code whose first characters are not in `taken`."""
    while True:
        code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_CHARS))
        if code[:SELECTOR_CHARS] not in taken:
            return code


def shown_code(code: str) -> str:
    """The code as people see it: two groups of four characters."""
    return f"{code[:4]}-{code[4:]}"


def read_code(text: str) -> str | None:
    """The code a person typed: any case, with or without spaces and the hyphen, O for 0, I or L for 1; None:
    no code looks like this."""
    code = text.upper().translate(_READ_AS) if text.isascii() else ""
    return code if len(code) == CODE_CHARS and all(each in _ALPHABET for each in code) else None


def secret_hash(secret: str) -> str:
    """SHA-256, the only stored form. No slow hash is needed: a token has 256 random bits, a code ends in
    minutes."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_same(first: str, second: str) -> bool:
    """Whether both are equal; compared in constant time."""
    return hmac.compare_digest(first.encode(), second.encode())


def new_token() -> str:
    """A device's token, 256 random bits. Only its hash is kept."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def wrong_delay_s(wrong: int) -> float:
    """How long the answer to a wrong code waits; `wrong` counts the recent ones of its address."""
    return min(WRONG_DELAY_S * 2.0 ** (min(wrong, 32) - 1), WRONG_DELAY_MAX_S)


def new_media_key(device_id: str, token_hash: str, expires_s: int) -> str:
    """A key for `?k=`. It is signed with the hash of the device's token, so it ends with the token; not
    stored.

    `device_id` is a UUID; `expires_s` are seconds UTC.
    """
    body = bytes.fromhex(device_id.replace("-", "")) + expires_s.to_bytes(6, "big")
    return base64.urlsafe_b64encode(body + _mac(token_hash, body)).decode().rstrip("=")


def parse_media_key(key: str) -> tuple[str, bytes, bytes, int] | None:
    """(device id, signed bytes, signature, end in seconds UTC), not verified; None: not a key."""
    try:
        data = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    except ValueError:
        return None
    if len(data) != _ID_BYTES + 6 + _MAC_BYTES:
        return None
    text = data[:_ID_BYTES].hex()
    device_id = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return (
        device_id,
        data[:-_MAC_BYTES],
        data[-_MAC_BYTES:],
        int.from_bytes(data[_ID_BYTES:-_MAC_BYTES], "big"),
    )


def is_signed(token_hash: str, body: bytes, mac: bytes) -> bool:
    """Whether the key was made for the device whose token has this hash."""
    return hmac.compare_digest(_mac(token_hash, body), mac)


def _mac(token_hash: str, body: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(token_hash), b"media" + body, "sha256")[:_MAC_BYTES]
