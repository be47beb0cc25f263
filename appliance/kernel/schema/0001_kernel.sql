-- The kernel's tables. Instants are microseconds UTC of box time (`*_us`) unless a comment says otherwise.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,   -- 'epoch' (made with the database, new after a restore), 'boot_id', 'clock_offset_us', ...
    value TEXT NOT NULL       -- written by: migrate, the clock at boot, restore
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of commits; AUTOINCREMENT so that a pruned number never returns
    ts_us      INTEGER NOT NULL,                  -- box time of the transaction
    type       TEXT NOT NULL,                     -- event name, as on /ws
    subject    TEXT NOT NULL,                     -- 'clip:<id>', 'session:<id>' ...: what changed
    session_id TEXT,                              -- for readers that follow one session
    body       TEXT NOT NULL                      -- JSON object: the whole resource after the change, flat event keys
) STRICT;
CREATE INDEX journal_by_time ON journal (ts_us);  -- pruning by age

CREATE TABLE idempotency (
    device      TEXT NOT NULL,     -- the sender: keys of two devices are independent
    key         TEXT NOT NULL,     -- Idempotency-Key, or the id of a /ws command
    fingerprint TEXT NOT NULL,     -- sha256 of the request: the same key with another request is refused
    status      INTEGER NOT NULL,  -- HTTP status of the stored answer
    answer      TEXT NOT NULL,     -- JSON resource of the stored answer
    created_us  INTEGER NOT NULL,  -- pruned after 7 days
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (created_us);
