-- The database of the release at 30de5e7, as its schema files made it.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,   -- 'epoch' (made with the database, new after a restore), 'boot_id', 'clock_offset_us', ...
    value TEXT NOT NULL       -- written by: migrate, the clock at boot, restore
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of commits; AUTOINCREMENT so that a pruned number never returns
    ts_us      INTEGER NOT NULL,                  -- box time of the transaction
    type       TEXT NOT NULL,                     -- event name of contract.md section 4
    subject    TEXT NOT NULL,                     -- 'clip:<id>', 'session:<id>' ...: what changed
    session_id TEXT,                              -- for readers that follow one session
    body       TEXT NOT NULL                      -- JSON object: the whole resource after the change, flat event keys
) STRICT;
CREATE INDEX journal_by_time ON journal (ts_us);
CREATE TABLE idempotency (
    device      TEXT NOT NULL,     -- who sent it: keys of two devices never meet
    key         TEXT NOT NULL,     -- Idempotency-Key, or the id of a /ws command
    fingerprint TEXT NOT NULL,     -- sha256 of the request: the same key with another request is refused
    status      INTEGER NOT NULL,  -- HTTP status of the stored answer
    answer      TEXT NOT NULL,     -- JSON resource of the stored answer
    created_us  INTEGER NOT NULL,  -- pruned after 7 days
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (created_us);
CREATE TABLE sessions (
    id                 TEXT PRIMARY KEY,      -- UUID, ours or the client's
    name               TEXT NOT NULL,    -- shown to people
    type               TEXT NOT NULL CHECK (type IN ('game', 'practice', 'scrimmage', 'other')),
    status             TEXT NOT NULL CHECK (status IN ('scheduled', 'active', 'paused', 'completed')),
    opponent           TEXT,             -- the other team, for games
    location           TEXT,             -- where it is played
    season             TEXT,                  -- as the club writes it: '2026', '2026-27'
    week               INTEGER,          -- of the season
    scheduled_start_us INTEGER,          -- when it is meant to begin
    actual_start_us    INTEGER,               -- first start; kept by reopen
    actual_end_us      INTEGER,               -- last complete; cleared by reopen
    all_channels       INTEGER NOT NULL CHECK (all_channels IN (0, 1)), -- 1: every channel of the venue, later ones too
    request_hash       TEXT NOT NULL,         -- of the creating body: same id, other body is refused
    created_by         TEXT NOT NULL,         -- device that created it
    created_us         INTEGER NOT NULL,
    updated_us         INTEGER NOT NULL, -- last change of this row
    rev                INTEGER NOT NULL DEFAULT 1, -- counts changes of this row; the ETag
    deleted_us         INTEGER                -- not null: deleted, 410 for ever
) STRICT;
CREATE INDEX sessions_by_created ON sessions (created_us, id);
CREATE TABLE session_channels (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    channel_id TEXT NOT NULL,                 -- channels outlive sessions: V22
    PRIMARY KEY (session_id, channel_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE channels (
    id             TEXT PRIMARY KEY,     -- ^[a-z0-9_-]{1,32}$: also the folder of its recordings
    name           TEXT NOT NULL,
    input_url      TEXT,                 -- 'srt://:8891', 'synthetic:'; null: footage comes from elsewhere (MediaMTX)
    in_config      INTEGER NOT NULL CHECK (in_config IN (0, 1)), -- 1: name and input_url come from the settings file
    file_latency_ms INTEGER,             -- latency_ms as the settings file last said it: a changed file wins, a PATCH survives restarts
    file_liveness  TEXT,                 -- liveness likewise
    status         TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'error')),
    error_cause    TEXT CHECK (error_cause IN ('timeout', 'reported')), -- how an error ends depends on it (V30)
    error_reason   TEXT,                 -- for people: why it is in error, or why its capture gave up
    latency_ms     INTEGER NOT NULL,     -- camera and transport delay: capture time = arrival - latency
    liveness       TEXT NOT NULL CHECK (liveness IN ('heartbeat', 'footage')), -- what keeps it alive
    footage        TEXT NOT NULL DEFAULT 'none' CHECK (footage IN ('on', 'stalled', 'none')), -- what the index last saw
    last_seen_us   INTEGER,              -- newest heartbeat (liveness footage: or footage), flushed coalesced every 5 s; not journaled
    resolution     TEXT,                 -- '1920x1080' as the capture device last reported
    framerate      REAL,                 -- frames per second, likewise
    bitrate        INTEGER,              -- bits per second, likewise
    dropped_frames INTEGER,              -- since the device started, likewise
    request_hash   TEXT,                 -- of the creating body: same id, other body is refused; null: came from the settings file
    created_us     INTEGER NOT NULL,
    updated_us     INTEGER NOT NULL,
    rev            INTEGER NOT NULL DEFAULT 1,
    archived_us    INTEGER,              -- not null: archived; clips and recordings stay, the id is not reusable
    CHECK ((status = 'error') = (error_cause IS NOT NULL))
) STRICT;
CREATE INDEX channels_in_order ON channels (created_us, id);
CREATE TABLE plays (
    id           TEXT PRIMARY KEY,
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    number       INTEGER NOT NULL,       -- 1, 2, 3 within the session; a deleted play keeps its number
    start_us     INTEGER NOT NULL,       -- IN, capture time
    duration_us  INTEGER NOT NULL,       -- 0: still open (ghost)
    cue_us       INTEGER,                -- the snap; may be pressed again
    title        TEXT,                   -- shown to people; null: numbered
    is_favorite  INTEGER NOT NULL DEFAULT 0 CHECK (is_favorite IN (0, 1)), -- 1: starred; kept by retention
    auto_closed  INTEGER NOT NULL DEFAULT 0 CHECK (auto_closed IN (0, 1)), -- the box closed it, nobody pressed OUT
    out_received_us INTEGER,             -- box time at which OUT arrived
    start_time_given TEXT,               -- the start as the client wrote it (V08)
    client_time  TEXT,                   -- the client's own clock at the mark, for the record
    clock_offset_ms REAL,                -- the client's estimate of its offset, for the record
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER,
    UNIQUE (session_id, number)
) STRICT;
CREATE INDEX plays_by_session ON plays (session_id, start_us, id);
CREATE INDEX plays_open ON plays (start_us) WHERE duration_us = 0 AND deleted_us IS NULL;
CREATE TABLE clips (
    id            TEXT PRIMARY KEY,
    session_id    TEXT NOT NULL REFERENCES sessions (id),
    channel_id    TEXT NOT NULL,         -- of the venue; may be archived later
    play_id       TEXT REFERENCES plays (id), -- the play it is an angle of; null: a clip of its own
    title         TEXT,
    start_us      INTEGER NOT NULL,      -- IN, capture time
    duration_us   INTEGER NOT NULL,      -- 0: a ghost, OUT not yet pressed
    latency_ms    INTEGER NOT NULL,      -- of the channel when the clip was made; later changes never move it
    mode          TEXT NOT NULL CHECK (mode IN ('instant', 'exact', 'transcode')), -- how it is cut (design section 5)
    status        TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'ready', 'failed')),
    waiting_for   TEXT CHECK (waiting_for IN ('out', 'footage', 'worker')), -- what a pending clip lacks
    attempts      INTEGER NOT NULL DEFAULT 0, -- rises in the transaction that sets processing; 3 at start: failed
    retries       INTEGER NOT NULL DEFAULT 0, -- how often a person or late footage asked for another try (V26)
    error_message TEXT,                  -- for people: why it failed
    media_rev     INTEGER NOT NULL DEFAULT 1, -- counts cuts: start, duration, mode or channel changed
    ready_media_rev INTEGER,             -- newest media_rev that plays; null: none yet
    coverage      TEXT,                  -- JSON {start, end, missing[{start, end, reason}]} of ready_media_rev
    preroll_us    INTEGER,               -- hidden video before IN, for players that ignore edit lists
    file_path     TEXT,                  -- relative to clips_dir, once materialised
    thumbnail_path TEXT,                 -- relative to clips_dir, once made
    is_favorite   INTEGER NOT NULL DEFAULT 0 CHECK (is_favorite IN (0, 1)),
    auto_closed   INTEGER NOT NULL DEFAULT 0 CHECK (auto_closed IN (0, 1)),
    view_count    INTEGER NOT NULL DEFAULT 0, -- not journaled
    out_received_us INTEGER,             -- box time at which OUT arrived: the footage wait counts from it
    start_time_given TEXT,
    client_time   TEXT,
    clock_offset_ms REAL,
    request_hash  TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    rev           INTEGER NOT NULL DEFAULT 1,
    deleted_us    INTEGER
, ready_after_us INTEGER) STRICT;
CREATE INDEX clips_by_session ON clips (session_id, deleted_us, duration_us, status);
CREATE INDEX clips_in_order ON clips (start_us, id);
CREATE INDEX clips_by_play ON clips (play_id);
CREATE INDEX clips_open ON clips (start_us) WHERE duration_us = 0 AND deleted_us IS NULL;
CREATE INDEX clips_by_out ON clips (out_received_us);
CREATE INDEX clips_unfinished ON clips (status) WHERE status IN ('pending', 'processing');
CREATE TABLE plans (
    clip_id    TEXT NOT NULL REFERENCES clips (id), -- the clip it belongs to
    media_rev  INTEGER NOT NULL,
    header     BLOB NOT NULL,            -- ftyp + moov + mdat header: the first bytes of the clip
    ranges     TEXT NOT NULL,            -- JSON [[recording name, offset, length], ...]: the bytes after it
    size       INTEGER NOT NULL,         -- bytes of header and ranges together
    media_spans TEXT NOT NULL,           -- JSON [[run id, start_ns, end_ns], ...]: media times it was cut at
    frames     INTEGER NOT NULL,         -- visible video frames
    width      INTEGER NOT NULL,         -- pixels
    height     INTEGER NOT NULL,         -- pixels
    codec      TEXT NOT NULL,            -- sample entry: 'avc1', 'hvc1'
    keyframe   TEXT,                     -- JSON of the picture a thumbnail is made from
    file_path  TEXT,                     -- relative to clips_dir once materialised; its bytes equal the plan's
    created_us INTEGER NOT NULL, superseded_us INTEGER,
    PRIMARY KEY (clip_id, media_rev)
) STRICT;
CREATE TABLE garbage (
    path   TEXT PRIMARY KEY,             -- relative to clips_dir
    due_us INTEGER NOT NULL              -- not before: 24 h after a delete, so that it can be undone
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
    id           TEXT PRIMARY KEY,
    clip_id      TEXT NOT NULL REFERENCES clips (id),
    session_id   TEXT NOT NULL REFERENCES sessions (id), -- of the clip, never from the client
    play_id      TEXT,                   -- of the clip, likewise: statistics count a play once
    quarter      INTEGER,                -- 1 to 4, 5 and up: overtime
    down         INTEGER,                -- 1 to 4
    distance     INTEGER,                -- yards to go
    yard_line    INTEGER,                -- own half -1..-49, midfield 50, opponent half 49..1, goal line 0
    play_type    TEXT,                   -- run, pass, ... (V24)
    formation    TEXT,                   -- as the team calls it
    result       TEXT,                   -- touchdown, gain, ... (V24)
    yards_gained INTEGER,                -- negative: lost
    players      TEXT NOT NULL DEFAULT '[]', -- JSON array of strings
    labels       TEXT NOT NULL DEFAULT '[]', -- JSON array of strings
    notes        TEXT,                   -- the analyst's
    coach_notes  TEXT,                   -- the coach's
    is_important INTEGER NOT NULL DEFAULT 0 CHECK (is_important IN (0, 1)), -- 1: a key play
    is_reviewed  INTEGER NOT NULL DEFAULT 0 CHECK (is_reviewed IN (0, 1)), -- 1: a coach has seen it
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX tags_by_session ON tags (session_id, deleted_us);
CREATE INDEX tags_by_clip ON tags (clip_id);
CREATE INDEX tags_by_play ON tags (play_id);
CREATE INDEX tags_in_order ON tags (created_us, id);
CREATE TABLE pins (
    recording TEXT NOT NULL,             -- '<channel id>/<file>': a plan without a file of its own plays bytes of it
    clip_id   TEXT NOT NULL,             -- whose plan
    media_rev INTEGER NOT NULL,          -- which of its plans
    PRIMARY KEY (recording, clip_id, media_rev)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_by_plan ON pins (clip_id, media_rev);
CREATE TABLE condemned (
    recording TEXT PRIMARY KEY           -- told as deleted, not yet known to be off the disk: tried again until it is
) STRICT, WITHOUT ROWID;
CREATE TABLE footage_gone (
    channel_id TEXT NOT NULL,
    start_us   INTEGER NOT NULL,         -- wall time of the first frame deleted (latency not taken off)
    end_us     INTEGER NOT NULL,         -- wall time after the last one; stretches that meet are one row
    PRIMARY KEY (channel_id, start_us)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER plan_pins AFTER INSERT ON plans WHEN NEW.file_path IS NULL BEGIN
    INSERT OR IGNORE INTO pins
        SELECT DISTINCT piece.value ->> 0, NEW.clip_id, NEW.media_rev FROM json_each(NEW.ranges) AS piece;
END;
CREATE TRIGGER plan_unpins AFTER UPDATE OF file_path ON plans WHEN NEW.file_path IS NOT NULL BEGIN
    DELETE FROM pins WHERE clip_id = NEW.clip_id AND media_rev = NEW.media_rev;
END;
CREATE TRIGGER plan_pins_again AFTER UPDATE OF file_path ON plans
    WHEN NEW.file_path IS NULL AND OLD.file_path IS NOT NULL BEGIN
    INSERT OR IGNORE INTO pins
        SELECT DISTINCT piece.value ->> 0, NEW.clip_id, NEW.media_rev FROM json_each(NEW.ranges) AS piece;
END;
CREATE TRIGGER plan_is_gone AFTER DELETE ON plans BEGIN
    DELETE FROM pins WHERE clip_id = OLD.clip_id AND media_rev = OLD.media_rev;
END;
PRAGMA application_id = 1396854616;
PRAGMA user_version = 7;
