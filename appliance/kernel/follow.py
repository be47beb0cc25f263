"""Reading the journal with a cursor: in memory for actors, as a row for readers that must not miss an entry.

Owns: the waiting and the cursors. A `Follower` ends with its process. A durable cursor (table `cursors`) is
moved in a transaction once everything up to it has been delivered; pruning keeps the entries past it. Must
not know: what an entry means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from appliance.kernel.journal import PAGE_MAX, Entry, Journal
from appliance.kernel.tx import ReadTx, Tx


class EntriesPruned(Exception):
    """Entries past a follower's cursor were deleted before it read them: it must start from a snapshot."""


class Follower:
    """A cursor in memory. `cursor`: seq of the last entry that was returned. For one task."""

    __slots__ = ("_journal", "cursor")

    def __init__(self, journal: Journal, cursor: int) -> None:
        self._journal = journal
        self.cursor = cursor

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> list[Entry]:
        """The next page, oldest entry first, never empty: waits until there is one. Returns each entry once.
        Raises what `Store.read` raises, when the page is no longer in memory, and EntriesPruned."""
        while True:
            await self.wait()
            entries = await self._journal.read(self.cursor)
            if entries and entries[0].seq > self.cursor + 1 and self.cursor < self._journal.oldest - 1:
                raise EntriesPruned(f"entries {self.cursor + 1} to {self._journal.oldest - 1} were pruned")
            if entries:
                self.cursor = entries[-1].seq
                return entries

    async def wait(self) -> None:
        """Return as soon as there is an entry past the cursor; always a checkpoint."""
        if self._journal.head > self.cursor:
            await trio.lowlevel.checkpoint()
        while self._journal.head <= self.cursor:
            await self._journal.changed.wait_past(self._journal.changed.count)

    def take(self, limit: int = PAGE_MAX) -> list[Entry] | None:
        """The entries in memory past the cursor, without waiting: a page, or an empty list. None: memory no
        longer holds all of them; the cursor is then at the journal's head."""
        entries = self._journal.recent(self.cursor, limit)
        if entries is None:
            self.cursor = self._journal.head
        elif entries:
            self.cursor = entries[-1].seq
        return entries

    async def wait_for(self, matters: Callable[[Entry], bool]) -> None:
        """Return when an entry past the cursor matters, or may have mattered but is no longer in memory. The
        cursor is then at the journal's head, so that many changes cause one return."""
        is_over = False
        while not is_over:
            await self.wait()
            is_over = self.skip(matters)

    def skip(self, matters: Callable[[Entry], bool]) -> bool:
        """Move the cursor to the journal's head; True: an entry passed on the way mattered, or may have."""
        did = False
        while self._journal.head > self.cursor:
            entries = self.take()
            did = did or entries is None or any(map(matters, entries))
        return did


def follow(journal: Journal, cursor: int | None = None) -> Follower:
    """A follower of every entry past `cursor`; None: past what is committed now."""
    return Follower(journal, journal.head if cursor is None else cursor)


@asynccontextmanager
async def calling_on_entries(
    journal: Journal, prefix: str, look: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Call `look` now and whenever an entry whose type starts with `prefix` was committed, to the end of the
    block."""
    follower = follow(journal)

    async def look_again() -> None:
        while True:
            await follower.wait_for(lambda entry: entry.type.startswith(prefix))
            await look()

    await look()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_again, name=f"following {prefix}*")
        yield
        nursery.cancel_scope.cancel()


# -- durable cursors ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """A row of `cursors`. `seq`: everything up to it has been delivered. `moved_us`: box time of the last
    move. `needs_resync`: entries past it were pruned; its owner must start again from a snapshot."""

    name: str
    seq: int
    moved_us: int
    needs_resync: bool


def place_cursor(tx: Tx, name: str, seq: int) -> None:
    """Create the cursor, or set it, at `seq` (the seq of the snapshot that was sent); clears
    `needs_resync`."""
    tx.run(
        "INSERT INTO cursors (name, seq, moved_us) VALUES (?, ?, ?) ON CONFLICT (name)"
        " DO UPDATE SET seq = excluded.seq, moved_us = excluded.moved_us, needs_resync = 0",
        (name, seq, tx.now_us),
    )


def move_cursor(tx: Tx, name: str, seq: int) -> None:
    """Record that everything up to `seq` has been delivered. Never moves back. Raises LookupError: no such
    cursor, or it needs a resync."""
    if not tx.run(
        "UPDATE cursors SET seq = CASE WHEN seq < ? THEN ? ELSE seq END, moved_us = ?"
        " WHERE name = ? AND needs_resync = 0",
        (seq, seq, tx.now_us, name),
    ):
        raise LookupError(f"no cursor {name} that can be moved")


def remove_cursor(tx: Tx, name: str) -> None:
    """Delete the cursor; the journal is no longer kept for it."""
    tx.run("DELETE FROM cursors WHERE name = ?", (name,))


def find_cursor(tx: ReadTx, name: str) -> Cursor | None:
    return next((cursor for cursor in all_cursors(tx) if cursor.name == name), None)


def all_cursors(tx: ReadTx) -> list[Cursor]:
    rows = tx.all("SELECT name, seq, moved_us, needs_resync FROM cursors ORDER BY name")
    return [Cursor(row["name"], row["seq"], row["moved_us"], bool(row["needs_resync"])) for row in rows]


def mark_pruned(tx: Tx, oldest: int) -> Sequence[str]:
    """Mark the cursors that lost entries because the journal begins at `oldest` now; returns their names."""
    lost = tx.all("SELECT name FROM cursors WHERE seq < ? AND needs_resync = 0 ORDER BY name", (oldest - 1,))
    for row in lost:
        tx.run("UPDATE cursors SET needs_resync = 1 WHERE name = ?", (row["name"],))
    return [row["name"] for row in lost]
