-- Dataset runs of this box. Written by box/datasets/on_box/store.py alone. What a run has made is in its manifests.

CREATE TABLE dataset_runs (
    id           TEXT PRIMARY KEY,
    status       TEXT NOT NULL CHECK (status IN ('processing', 'completed', 'failed', 'canceled')), -- processing: also after a restart, until it goes on
    request      TEXT NOT NULL,          -- JSON of what was asked (runs/spec.py)
    clips        INTEGER NOT NULL DEFAULT 0, -- finished so far
    clips_wanted INTEGER NOT NULL DEFAULT 0, -- of the games that have begun
    failed_clips INTEGER NOT NULL DEFAULT 0, -- so far
    problem      TEXT,                   -- for people: why the run could not begin; null otherwise
    is_cancel_asked INTEGER NOT NULL DEFAULT 0 CHECK (is_cancel_asked IN (0, 1)), -- 1: a person has canceled it
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    deleted_us   INTEGER                 -- never set: lists leave such rows out
) STRICT;
CREATE INDEX dataset_runs_in_order ON dataset_runs (created_us, id);
CREATE INDEX dataset_runs_open ON dataset_runs (created_us) WHERE status = 'processing'; -- the queue

CREATE TABLE dataset_games (
    run_id   TEXT NOT NULL REFERENCES dataset_runs (id), -- the run
    game_id  TEXT NOT NULL,              -- a session, or the id of a game of another source
    position INTEGER NOT NULL,           -- 0, 1, 2 in the order in which they were asked for
    status   TEXT NOT NULL CHECK (status IN ('waiting', 'processing', 'completed', 'failed')), -- of this game
    answer   TEXT NOT NULL,              -- JSON of what a client is shown (runs/manifest.py)
    PRIMARY KEY (run_id, game_id)
) STRICT, WITHOUT ROWID;
