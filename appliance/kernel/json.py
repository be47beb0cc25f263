"""JSON encoding and decoding, with the same rules for every interface.

Encoding: compact UTF-8. Decoding refuses duplicate keys, NaN and Infinity (two readers of such a text may
understand different things); depth and size are checked before anything is built.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from pydantic_core import PydanticSerializationError, from_json, to_json

MAX_BODY_BYTES = 64 * 1024  # a mark is 300 bytes, the longest note a few kB
MAX_DEPTH = 32


class BadJson(ValueError):
    """The text is not JSON we accept; the message says where and why."""


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return to_json(value, inf_nan_mode="null")


def decode(data: bytes) -> Any:
    """The value of a JSON text. Raises BadJson."""
    require_depth(data)
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            encode(value)  # a lone surrogate is not text: it could neither be stored nor sent back
        return value
    except PydanticSerializationError:
        raise BadJson("an escaped surrogate stands alone") from None
    except BadJson:
        raise
    except RecursionError:
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise BadJson(str(error)) from None


def decode_stored(text: str | bytes) -> Any:
    """The value of a text that `encode` made and we stored: not checked again, a tenth of `decode`'s time.

    Raises ValueError for a text that is no JSON.
    """
    return from_json(text)


def decode_long(data: bytes) -> Any:
    """`decode` for texts of megabytes between programs of ours: 30 times as fast. Of a key that appears twice
    the last one counts, and the limit of the nesting is that of the library (about 200). Raises BadJson."""
    try:
        return from_json(data, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise BadJson(str(error)) from None


def require_depth(data: bytes) -> None:
    """Raises BadJson for a text that `decode` would refuse for its nesting."""
    if _depth(data) > MAX_DEPTH:
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels")


def _depth(data: bytes) -> int:
    """Upper bound of the nesting depth. Brackets inside strings count too: a text with more than 32
    unbalanced brackets in strings is refused although it is valid."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise BadJson(f"key {twice!r} appears twice")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not JSON")


# One decoder for all texts: json.loads would build a new one each time.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
