-- How far the box and its cloud are in step. Written by box/sync/up/state.py alone. The cursor itself is the row
-- `cloud` of `cursors`.

CREATE TABLE sync_up (
    id            INTEGER PRIMARY KEY CHECK (id = 1), -- one row
    url           TEXT NOT NULL,     -- of the cloud it is in step with
    box_id        TEXT NOT NULL,     -- of the machine
    journal_epoch TEXT NOT NULL,     -- of the database then: another one after a restore
    epoch         TEXT NOT NULL,     -- of what is sent: random; new when any of the above changes, and after `diverged`
    reason        TEXT NOT NULL,     -- why this epoch was begun, for people
    acked_sha256  TEXT NOT NULL,     -- of the journal entry at the cursor; '': there is none, or it was pruned
    snapshot_seq  INTEGER,           -- events past it wait until a snapshot was accepted; null: they are sent
    began_us      INTEGER NOT NULL   -- box time
) STRICT;
