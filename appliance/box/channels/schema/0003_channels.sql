-- Channels: one camera position each, owned by the venue. Written by box/channels/store.py alone.

CREATE TABLE channels (
    id             TEXT PRIMARY KEY,     -- ^[a-z0-9_-]{1,32}$: also the folder of its recordings
    name           TEXT NOT NULL,
    input_url      TEXT,                 -- 'srt://:8891', 'synthetic:'; null: footage comes from elsewhere (MediaMTX)
    in_config      INTEGER NOT NULL CHECK (in_config IN (0, 1)), -- 1: name and input_url come from the settings file
    file_latency_ms INTEGER,             -- latency_ms in the settings file at the last start: applied when the file changes, else a PATCH stays
    file_liveness  TEXT,                 -- liveness in the settings file, likewise
    status         TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'error')),
    error_cause    TEXT CHECK (error_cause IN ('timeout', 'reported')), -- how an error ends depends on it (V30)
    error_reason   TEXT,                 -- for people: why it is in error, or why its capture stopped
    latency_ms     INTEGER NOT NULL,     -- camera and transport delay: capture time = arrival - latency
    liveness       TEXT NOT NULL CHECK (liveness IN ('heartbeat', 'footage')), -- whether heartbeats or footage show that it is alive
    footage        TEXT NOT NULL DEFAULT 'none' CHECK (footage IN ('on', 'stalled', 'none')), -- the latest state in the index
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
