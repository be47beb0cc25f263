-- Plays, clips and the plans clips are served from. Written by clips/records alone.

CREATE TABLE plays (
    id           TEXT PRIMARY KEY,
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    number       INTEGER NOT NULL,       -- 1, 2, 3 within the session; a deleted play keeps its number
    start_us     INTEGER NOT NULL,       -- IN, capture time
    duration_us  INTEGER NOT NULL,       -- 0: still open (ghost)
    cue_us       INTEGER,                -- the snap; may be pressed again
    title        TEXT,                   -- shown to people; null: numbered
    is_favorite  INTEGER NOT NULL DEFAULT 0 CHECK (is_favorite IN (0, 1)), -- 1: starred; kept by retention
    auto_closed  INTEGER NOT NULL DEFAULT 0 CHECK (auto_closed IN (0, 1)), -- 1: the box closed it, without an OUT
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
CREATE INDEX plays_open ON plays (start_us) WHERE duration_us = 0 AND deleted_us IS NULL; -- ghosts to close

CREATE TABLE clips (
    id            TEXT PRIMARY KEY,
    session_id    TEXT NOT NULL REFERENCES sessions (id),
    channel_id    TEXT NOT NULL,         -- of the venue; may be archived later
    play_id       TEXT REFERENCES plays (id), -- the play it is an angle of; null: a clip of its own
    title         TEXT,
    start_us      INTEGER NOT NULL,      -- IN, capture time
    duration_us   INTEGER NOT NULL,      -- 0: a ghost, OUT not yet pressed
    latency_ms    INTEGER NOT NULL,      -- of the channel when the clip was made; not changed later
    mode          TEXT NOT NULL CHECK (mode IN ('instant', 'exact', 'transcode')), -- how it is cut (design section 5)
    status        TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'ready', 'failed')),
    waiting_for   TEXT CHECK (waiting_for IN ('out', 'footage', 'worker')), -- what a pending clip waits for
    attempts      INTEGER NOT NULL DEFAULT 0, -- incremented in the transaction that sets processing; 3 at a start: failed
    retries       INTEGER NOT NULL DEFAULT 0, -- retries by a person or because of late footage (V26)
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
) STRICT;
CREATE INDEX clips_by_session ON clips (session_id, deleted_us, duration_us, status); -- the session's counters
CREATE INDEX clips_in_order ON clips (start_us, id);
CREATE INDEX clips_by_play ON clips (play_id);
CREATE INDEX clips_open ON clips (start_us) WHERE duration_us = 0 AND deleted_us IS NULL; -- ghosts to close
CREATE INDEX clips_by_out ON clips (out_received_us); -- clips that late footage may still complete
CREATE INDEX clips_unfinished ON clips (status) WHERE status IN ('pending', 'processing'); -- the cutter's queue

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
    created_us INTEGER NOT NULL,
    PRIMARY KEY (clip_id, media_rev)
) STRICT;

CREATE TABLE garbage (
    path   TEXT PRIMARY KEY,             -- relative to clips_dir
    due_us INTEGER NOT NULL              -- not before: 24 h after a delete, so that it can be undone
) STRICT, WITHOUT ROWID;
