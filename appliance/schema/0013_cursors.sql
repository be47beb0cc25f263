-- How far each reader that must not miss an entry has brought the journal to where it goes.

CREATE TABLE cursors (
    name         TEXT PRIMARY KEY,
    seq          INTEGER NOT NULL,           -- everything up to it has arrived
    moved_us     INTEGER NOT NULL,           -- box time
    needs_resync INTEGER NOT NULL DEFAULT 0  -- 1: entries past it were pruned
) STRICT;
