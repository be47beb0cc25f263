-- Sessions: a game, a practice, a scrimmage. Written by box/sessions/store.py alone.

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
    channel_id TEXT NOT NULL,                 -- channels exist independently of sessions: V22
    PRIMARY KEY (session_id, channel_id)
) STRICT, WITHOUT ROWID;
