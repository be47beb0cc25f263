-- Sites, what their boxes have sent, and what waits for a person. `sites` and `site_epochs` are written by
-- cloud/fleet/sites.py and intake/epochs.py, all others by cloud/fleet/intake/.

CREATE TABLE sites (
    id           TEXT PRIMARY KEY,  -- as in the scope of its token, site:ID
    name         TEXT NOT NULL,
    box_id       TEXT,              -- the machine that may send; null: the next one that does
    box_version  TEXT NOT NULL,     -- that its box reported last; '': none
    epoch_number INTEGER NOT NULL,  -- of site_epochs: the current one; 0: nothing was sent yet
    backlog      INTEGER NOT NULL,  -- entries that its box had still to send when it was heard last
    trouble      TEXT NOT NULL,     -- what a person should know, in plain words; '': nothing
    seen_us      INTEGER,           -- when its box was heard last; null: never
    created_us   INTEGER NOT NULL,  -- database time, as every instant here
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX sites_in_order ON sites (created_us, id);

CREATE TABLE site_epochs (
    site_id       TEXT NOT NULL,    -- of sites
    number        INTEGER NOT NULL, -- counts the epochs of the site, from 1
    epoch         TEXT NOT NULL,    -- the box's name for it
    box_id        TEXT NOT NULL,
    cursor        INTEGER NOT NULL, -- every entry up to it was taken
    cursor_sha256 TEXT NOT NULL,    -- of the entry at the cursor; '': of a snapshot
    from_seq      INTEGER NOT NULL, -- entries past it were sent as events; 0: all of them
    failures      INTEGER NOT NULL, -- events in a row, up to the cursor, that an error of ours has parked
    reason        TEXT NOT NULL,    -- why the box began it, for people
    began_us      INTEGER NOT NULL, -- of this epoch
    ended_us      INTEGER,          -- null: the current one
    PRIMARY KEY (site_id, number)
) STRICT;
CREATE UNIQUE INDEX site_epochs_by_name ON site_epochs (site_id, epoch);

CREATE TABLE site_events (
    site_id      TEXT NOT NULL,
    epoch_number INTEGER NOT NULL,  -- of site_epochs
    seq          INTEGER NOT NULL,  -- of the box's journal
    type         TEXT NOT NULL,     -- as on the box: clip_ready
    subject      TEXT NOT NULL,     -- clip:ID
    session_id   TEXT,              -- whose it is, where the event names one
    box_clock    TEXT NOT NULL,     -- when it happened on the box, RFC 3339
    sha256       TEXT NOT NULL,     -- of the entry on the box
    data         TEXT NOT NULL,     -- JSON object
    taken_us     INTEGER NOT NULL,  -- when it came
    PRIMARY KEY (site_id, epoch_number, seq)
) STRICT;

CREATE TABLE site_resources (
    site_id      TEXT NOT NULL,
    kind         TEXT NOT NULL,     -- session, play, clip, tag, channel
    id           TEXT NOT NULL,
    session_id   TEXT,
    resource     TEXT NOT NULL,     -- JSON object, as the box shows it; '{}': it was deleted before it was seen
    epoch_number INTEGER NOT NULL,  -- what was applied last: (epoch_number, seq) only rises
    seq          INTEGER NOT NULL,
    deleted_us   INTEGER,           -- a journaled delete; null: it is there
    missing_us   INTEGER,           -- when a snapshot of the box lacked it (missing_at_box); null: it did not
    counters     TEXT,              -- JSON object, of a session: figures that are newer than in its resource; null: none
    counters_epoch INTEGER NOT NULL DEFAULT 0, -- epoch_number of the event they came with
    counters_seq INTEGER NOT NULL DEFAULT 0,   -- its seq
    updated_us   INTEGER NOT NULL,
    PRIMARY KEY (site_id, kind, id)
) STRICT;
CREATE INDEX site_resources_by_session ON site_resources (site_id, session_id, kind, id);

CREATE TABLE parked_events (
    id           TEXT PRIMARY KEY,  -- UUIDv7
    site_id      TEXT NOT NULL,
    epoch_number INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    event        TEXT NOT NULL,     -- JSON, as it was sent
    code         TEXT NOT NULL,     -- why it could not be applied
    detail       TEXT NOT NULL,     -- the same for people
    status       TEXT NOT NULL,     -- parked, applied, superseded
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX parked_events_in_order ON parked_events (site_id, created_us, id);

CREATE TABLE site_snapshots (
    id           TEXT PRIMARY KEY,  -- UUIDv7
    site_id      TEXT NOT NULL,
    epoch        TEXT NOT NULL,
    as_of_seq    INTEGER NOT NULL,  -- entries up to it are in the snapshot
    reason       TEXT NOT NULL,     -- of the box, for people
    box_id       TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    committed_us INTEGER            -- null: its parts are still being sent
) STRICT;
CREATE INDEX site_snapshots_by_site ON site_snapshots (site_id, created_us);

CREATE TABLE site_snapshot_parts (
    snapshot_id TEXT NOT NULL,      -- of site_snapshots
    number      INTEGER NOT NULL,   -- from 1
    sha256      TEXT NOT NULL,
    body        TEXT NOT NULL,      -- NDJSON
    PRIMARY KEY (snapshot_id, number)
) STRICT;
