"""Invariants of the journal and of SQLite's own structures. Pure: facts in, findings out.

Owns: the invariants that hold for every domain: the journal has no holes and agrees with the rows. Those
of a domain's own rows and files are in that domain (appliance/domain.py, Consistency).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.domain import Finding


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """`newest`: rev in the newest entry of each subject; `rows`: rev of each row an entry must exist for."""

    head: int
    first: int
    last: int
    count: int
    newest: Mapping[str, int]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts of the database, all read in one transaction."""

    journal: JournalFacts
    errors: Sequence[str] = ()  # results of SQLite's own checks


def check(facts: DatabaseFacts) -> list[Finding]:
    """Every violated invariant, the gravest kinds first."""
    return [
        *(Finding("database", "box.db", error) for error in facts.errors),
        *_journal(facts.journal),
    ]


def _journal(journal: JournalFacts) -> Iterator[Finding]:
    if journal.count and journal.last > journal.head:
        yield Finding("journal_head", "journal", f"entry {journal.last} is beyond the head {journal.head}")
    if journal.count and journal.count != journal.last - journal.first + 1:
        missing = journal.last - journal.first + 1 - journal.count
        yield Finding(
            "journal_gap", "journal", f"{missing} entries missing in {journal.first}..{journal.last}"
        )
    if not journal.count and journal.head and journal.rows:
        yield Finding("journal_gap", "journal", f"is empty although it counted to {journal.head}")
    # old entries are deleted first: a row without an entry may be older than the first
    is_pruned = journal.first > 1
    for subject, rev in journal.rows.items():
        journaled_rev = journal.newest.get(subject)
        if journaled_rev is None and not is_pruned:
            yield Finding("not_journaled", subject, "it has no journal entry")
        elif journaled_rev is not None and journaled_rev != rev:
            yield Finding(
                "journal_differs", subject, f"the row has rev {rev}, its newest journal entry {journaled_rev}"
            )
