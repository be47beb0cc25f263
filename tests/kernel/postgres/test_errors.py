"""PostgreSQL's errors: which belong to one closure and which to its batch, and what callers get."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.postgres.errors import belongs_to_batch, is_connection_lost, one_line, refusal


@pytest.mark.parametrize(
    ("error", "is_lost", "is_the_batchs"),
    [
        (psycopg.OperationalError("the connection is closed"), True, True),
        (errors.AdminShutdown("x"), True, True),
        (errors.CrashShutdown("x"), True, True),
        (errors.ConnectionFailure("x"), True, True),
        (errors.TooManyConnections("x"), True, True),
        (errors.IdleInTransactionSessionTimeout("x"), True, True),
        (errors.SerializationFailure("x"), False, True),
        (errors.DeadlockDetected("x"), False, True),
        (errors.QueryCanceled("x"), False, False),
        (errors.DiskFull("x"), False, False),
        (errors.UniqueViolation("x"), False, False),
        (psycopg.DataError("NUL"), False, False),
        (psycopg.InterfaceError("the cursor is closed"), False, False),
        (ValueError("x"), False, False),
    ],
)
def test_which_errors_belong_to_a_closure_and_which_to_its_batch(
    error: Exception, is_lost: bool, is_the_batchs: bool
) -> None:
    assert (is_connection_lost(error), belongs_to_batch(error)) == (is_lost, is_the_batchs)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DiskFull("x"), "storage_full"),
        (errors.ReadOnlySqlTransaction("x"), "storage_read_only"),
        (errors.QueryCanceled("x"), "storage_unavailable"),
        (errors.LockNotAvailable("x"), "storage_unavailable"),
        (errors.AdminShutdown("x"), "storage_unavailable"),
    ],
)
def test_errors_of_the_servers_state_may_succeed_later(error: Exception, code: str) -> None:
    shown = refusal(error)
    assert isinstance(shown, Unavailable) and shown.code == code


@pytest.mark.parametrize("error", [errors.UniqueViolation("x"), ValueError("x"), Refused(409, "a", "b")])
def test_other_errors_are_unchanged(error: Exception) -> None:
    assert refusal(error) is error


def test_a_message_is_one_line() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
