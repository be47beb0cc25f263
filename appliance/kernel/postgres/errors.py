"""Which of PostgreSQL's errors belong to one closure, which to its batch, and what callers get.

Must not know: connections, batches.
"""

from __future__ import annotations

from typing import Final

import psycopg

from appliance.kernel.batch import StoreFull, StoreReadOnly
from appliance.kernel.errors import Unavailable

_AGAIN: Final = ("40001", "40P01")  # serialization failure, deadlock: run again
_SLOW: Final = ("57014", "55P03")  # statement_timeout, lock_timeout
_FULL: Final = "53100"
_READ_ONLY: Final = "25006"  # the server is a standby now


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection cannot be used any more, rather than one statement."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:  # raised by libpq, or by psycopg for a connection that is closed
        return isinstance(error, psycopg.OperationalError)
    # class 08: connection; 57P: shutdown, crash, session ended; 53300: too many connections; 25P03: our own
    # session was idle in its transaction for too long
    return (
        error.sqlstate.startswith(("08", "57P")) or error.sqlstate in ("53300", "25P03") or _is_stale(error)
    )


def _is_stale(error: psycopg.Error) -> bool:
    """A newer process has added a column: what the connection has prepared does not fit any more."""
    return error.sqlstate == "0A000" and "cached plan" in str(error)


def belongs_to_batch(error: BaseException) -> bool:
    """Whether all closures of the batch are to be run again."""
    return isinstance(error, psycopg.Error) and (error.sqlstate in _AGAIN or is_connection_lost(error))


def unavailable(reason: str) -> Unavailable:
    return Unavailable("storage_unavailable", reason, "the database cannot be used now; it is tried again")


def refusal(error: BaseException) -> BaseException:
    """The error as a caller gets it; errors that are not of the server's state stay as they are."""
    if not isinstance(error, psycopg.Error):
        return error
    if error.sqlstate == _FULL:
        return StoreFull()
    if error.sqlstate == _READ_ONLY:
        return StoreReadOnly(one_line(error))
    if error.sqlstate in _SLOW or belongs_to_batch(error):
        return unavailable(one_line(error))
    return error


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
