"""Reading the entries of other processes: at once after a notification, and also without one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from appliance.kernel.journal import Journal
from appliance.kernel.postgres import tail
from appliance.kernel.postgres.tail import Listener
from appliance.kernel.postgres.writer import CHANNEL
from appliance.kernel.store import Store
from tests.kit.postgres import Server

pytestmark = pytest.mark.postgres
ENTRY = "INSERT INTO journal (seq, ts_us, type, subject, body) VALUES (%s, 1, 'a', 'a:1', '{}')"


class Other:
    """Another process that writes."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def commit(self, *seqs: int, notify: bool = True) -> None:
        with self.connection.transaction():
            for seq in seqs:
                self.connection.execute(ENTRY, (seq,))
            if notify:
                self.connection.execute(f"NOTIFY {CHANNEL}")


@pytest.fixture
def url(postgres_server: Server) -> str:
    return postgres_server.new_database()


@pytest.fixture
def other(url: str) -> Iterator[Other]:
    other = Other(url)
    yield other
    other.connection.close()


@pytest.fixture
def listener(url: str) -> Iterator[Listener]:
    journal = Journal(Store.read)  # type: ignore[arg-type]  # never called
    listener = Listener(url, journal, lambda: 0)
    yield listener
    listener.close()


def seqs(listener: Listener) -> list[int]:
    entries = listener.news()
    listener._journal.publish_read(entries)
    return [entry.seq for entry in entries]


def test_what_is_there_at_the_start_is_read_at_once_and_later_entries_when_notified(
    listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "EVERY_S", 1e9)
    other.commit(1, 2)
    assert seqs(listener) == [1, 2]
    other.commit(3)
    assert seqs(listener) == [3]


def test_without_a_notification_entries_are_read_after_a_time(
    listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seqs(listener) == []
    monkeypatch.setattr(tail, "EVERY_S", 0.01)
    other.commit(1, notify=False)
    assert seqs(listener) == [1]


def test_more_than_a_page_is_read_without_waiting(
    listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "EVERY_S", 1e9)
    monkeypatch.setattr(tail, "PAGE_MAX", 2)
    other.commit(1, 2, 3)
    assert [seqs(listener), seqs(listener)] == [[1, 2], [3]]


def test_a_process_is_not_woken_by_its_own_notifications(
    url: str, listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seqs(listener) == []
    own = other.connection.info.backend_pid
    listener._own_pid = lambda: own
    monkeypatch.setattr(tail, "EVERY_S", 0.05)
    other.commit(1)
    began_s = time.monotonic()
    assert seqs(listener) == [1]
    assert time.monotonic() - began_s >= 0.04, "after its time, not before"


def test_after_a_lost_connection_it_listens_again(
    listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "EVERY_S", 1e9)
    assert seqs(listener) == []
    assert listener._connection is not None
    pid = listener._connection.raw.info.backend_pid
    other.connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(psycopg.OperationalError):
        listener.news()
    other.commit(1, notify=False)
    assert seqs(listener) == [1]
    other.commit(2)
    assert seqs(listener) == [2]


def test_a_stopped_listener_does_not_wait(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "EVERY_S", 1e9)
    assert seqs(listener) == []
    listener.stop()
    with pytest.raises(psycopg.OperationalError):
        listener.news()


def test_it_notices_that_another_process_has_pruned(
    listener: Listener, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "EVERY_S", 0.01)
    other.commit(1, 2, 3)
    assert (seqs(listener), listener.oldest) == ([1, 2, 3], 1)
    other.connection.execute("DELETE FROM journal WHERE seq < 3")
    assert (seqs(listener), listener.oldest) == ([], 3)
    other.connection.execute("UPDATE journal_head SET seq = 3; DELETE FROM journal")
    assert (seqs(listener), listener.oldest) == ([], 4)
