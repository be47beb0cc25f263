-- Position in the journal of each reader that must not miss an entry.

CREATE TABLE cursors (
    name         TEXT PRIMARY KEY,
    seq          INTEGER NOT NULL,           -- everything up to it has been delivered
    moved_us     INTEGER NOT NULL,           -- box time
    needs_resync INTEGER NOT NULL DEFAULT 0  -- 1: entries past it were pruned
) STRICT;
