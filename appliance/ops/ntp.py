"""Whether the kernel's clock is synchronised, read from the kernel itself (adjtimex(2)), not from a
service."""

from __future__ import annotations

import ctypes
import errno

_TIME_ERROR = 5  # clock state: not synchronised
_MAX_ERROR_AT = 24  # struct timex on 64-bit Linux: modes, padding, offset, freq, maxerror (microseconds)


def is_synchronised() -> bool | None:
    """The kernel's answer; None when it does not permit the call."""
    state, _ = _ask()
    return None if state is None else state != _TIME_ERROR


def max_error_s() -> float:
    """The kernel's bound of its clock's error, seconds; 16 s means "unknown"."""
    return _ask()[1]


def _ask() -> tuple[int | None, float]:
    buffer = ctypes.create_string_buffer(512)  # struct timex is 208 bytes; modes 0: read only
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(buffer)
    if state < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EFAULT):
        return None, 16.0
    return state, int.from_bytes(buffer.raw[_MAX_ERROR_AT : _MAX_ERROR_AT + 8], "little", signed=True) / 1e6
