"""The journal: every change, once, in order; everything that leaves the box reads it with a cursor.

Owns: the ring buffer of the newest 4,096 committed entries, each encoded once and shared by all readers, and
reading older ones from the database. Entries are written by `Tx.append` inside the change's transaction. Must
not know: what an entry means, or who reads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.signal import Signal

if TYPE_CHECKING:
    from appliance.kernel.tx import ReadTx

RING_MAX = 4096  # about 40 minutes of a busy game: a tablet that was off during half-time resumes from memory
PAGE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed change. `event` is the event's encoded JSON text."""

    seq: int
    ts_us: int
    type: str
    subject: str
    session_id: str | None
    event: bytes


def event_bytes(type_: str, seq: int, ts_us: int, body: bytes) -> bytes:
    """The flat event: type, seq and ts in front of the body's own keys."""
    rest = b"," + body[1:] if len(body) > 2 else b"}"
    return b'{"type":"%s","seq":%d,"ts":"%s"' % (type_.encode(), seq, to_rfc3339(ts_us).encode()) + rest


Read = Callable[[Callable[[Any], tuple[int, list[Entry]]]], Awaitable[tuple[int, list[Entry]]]]
"""Runs a query in a read transaction (Store.read)."""


class Journal:
    """The read side. `changed` is notified after every commit that appended. `oldest`: seq of the oldest
    entry that is kept; where several processes prune, as far as this one knows."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._ring: deque[Entry] = deque(maxlen=RING_MAX)
        self.epoch = ""
        self.head = 0
        self.oldest = 1
        self.changed = Signal()
        self.is_ending = False  # the program ends: requests that wait for an entry answer now
        self._watched: dict[str, list[Signal]] = {}  # by subject

    def load(self, tx: ReadTx) -> None:
        """Read epoch, head and the newest entries at start."""
        self.epoch = str(tx.value("SELECT value FROM meta WHERE key = 'epoch'"))
        self.head = tx.head()
        self.oldest = oldest_of(tx)
        self._ring.extend(read_entries(tx, self.head - RING_MAX, RING_MAX))

    def missing(self, tx: ReadTx) -> list[Entry]:
        """Entries in the database that were never published: committed just before the disk failed."""
        return read_entries(tx, self.head, RING_MAX) if self.epoch else []

    def publish(self, entries: Sequence[Entry]) -> None:
        """Make committed entries visible to readers. Called by the store alone, in seq order."""
        if entries:
            self._ring.extend(entries)
            self.head = entries[-1].seq
            self.changed.notify()
            for entry in entries if self._watched else ():
                self._notify(entry.subject)

    @contextmanager
    def watching(self, subject: str) -> Iterator[Signal]:
        """A signal for the length of the block: notified after each commit with an entry of this subject, by
        whichever process, and by `end_waits`. For many waiters, each with a subject of its own."""
        signal = Signal()
        self._watched.setdefault(subject, []).append(signal)
        try:
            yield signal
        finally:
            self._watched[subject].remove(signal)
            if not self._watched[subject]:
                del self._watched[subject]

    def end_waits(self) -> None:
        """Called when the program begins to end, so that no waiting request delays it."""
        self.is_ending = True
        for subject in self._watched:
            self._notify(subject)

    def _notify(self, subject: str) -> None:
        for signal in self._watched.get(subject, ()):
            signal.notify()

    def publish_next(self, entries: Sequence[Entry]) -> None:
        """`publish` where several processes write: entries whose predecessors are not published yet wait for
        `publish_read`, so that none is skipped."""
        new = self._unknown(entries)
        if new and new[0].seq == self.head + 1:
            self.publish(new)

    def publish_read(self, entries: Sequence[Entry]) -> None:
        """`publish` entries that were read from the database; those that are published already are left
        out."""
        new = self._unknown(entries)
        if new and new[0].seq > self.head + 1:
            self._ring.clear()  # those between were pruned before they were read: memory has not all
        self.publish(new)

    def note_oldest(self, seq: int) -> None:
        """Entries before `seq` were deleted, by this process or another one."""
        self.oldest = max(self.oldest, seq)

    def _unknown(self, entries: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in entries if entry.seq > self.head]

    def recent(self, since: int, limit: int = PAGE_MAX) -> list[Entry] | None:
        """Entries after `since` if the ring still holds all of them, else None (use `read`)."""
        if since >= self.head:
            return []
        if not self._ring or self._ring[0].seq > since + 1:
            return None
        start = max(0, len(self._ring) - (self.head - since))
        while self._ring[start].seq <= since:
            start += 1
        return list(islice(self._ring, start, start + limit))

    async def read(self, since: int, limit: int = PAGE_MAX) -> list[Entry]:
        """Entries after `since`, oldest first, from the ring or from the database. When `oldest` is then more
        than one above `since`, those between were pruned."""
        recent = self.recent(since, limit)
        if recent is not None:
            return recent
        oldest, entries = await self._read(lambda tx: (oldest_of(tx), read_entries(tx, since, limit)))
        self.note_oldest(oldest)
        return entries


_SELECT = "SELECT seq, ts_us, type, subject, session_id, body FROM journal "


def oldest_of(tx: ReadTx) -> int:
    """The seq of the oldest entry that is kept; of the next one when there is none."""
    oldest = tx.value("SELECT min(seq) FROM journal")
    return tx.head() + 1 if oldest is None else int(oldest)


def read_entries(tx: ReadTx, since: int, limit: int) -> list[Entry]:
    """Entries after `since` inside a read transaction."""
    rows = tx.db.execute(_SELECT + "WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit))
    return [_entry(row) for row in rows]


def _entry(row: tuple[object, ...]) -> Entry:
    seq, ts_us, type_, subject, session_id, body = row
    assert isinstance(seq, int) and isinstance(ts_us, int) and isinstance(body, str)
    return Entry(
        seq,
        ts_us,
        str(type_),
        str(subject),
        None if session_id is None else str(session_id),
        event_bytes(str(type_), seq, ts_us, body.encode()),
    )
