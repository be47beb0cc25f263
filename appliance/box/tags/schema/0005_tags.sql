-- Tags: analysts' descriptions of a clip (V24). Written by box/tags/store.py alone.

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
