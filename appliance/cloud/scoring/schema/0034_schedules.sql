-- When rounds are asked for, and each run of it. Written by cloud/scoring/schedules/planning.py and due.py alone.

CREATE TABLE schedules (
    id            TEXT PRIMARY KEY,  -- tournament and minute: brasileiro_2025_08_09_21_56
    group_name    TEXT NOT NULL,     -- of schedules that are listed together
    function      TEXT NOT NULL,     -- the caller that runs it: caller-scores-and-standings
    what          TEXT NOT NULL,     -- daily, scores, standings, knockouts
    environment   TEXT NOT NULL,     -- demo or production: rows of the other one are never run
    tournament_id TEXT NOT NULL,     -- '': every one, of the daily routine
    round         TEXT NOT NULL,
    is_knockout   INTEGER NOT NULL CHECK (is_knockout IN (0, 1)), -- 1: the bracket is drawn again, too
    fire_us       INTEGER NOT NULL,  -- its minute, as planned
    cron          TEXT NOT NULL,     -- the same as cron(56 21 9 8 ? 2025)
    status        TEXT NOT NULL,     -- scheduled, completed, failed, skipped (another run did the same)
    due_us        INTEGER NOT NULL,  -- of the next run; of one that is not scheduled: of the last
    runs          INTEGER NOT NULL,  -- so far, failed ones too
    attempts      INTEGER NOT NULL,  -- failed ones in a row
    last_us       INTEGER,           -- when the last run began; null: there was none
    error         TEXT,              -- of the last run
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    rev           INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX schedules_in_order ON schedules (fire_us, id);
CREATE INDEX schedules_due ON schedules (status, due_us);
CREATE INDEX schedules_by_round ON schedules (tournament_id, round, what, fire_us);

CREATE TABLE schedule_runs (
    id          TEXT PRIMARY KEY,    -- UUIDv7, the request id in the log
    schedule_id TEXT NOT NULL,       -- of schedules
    function    TEXT NOT NULL,
    environment TEXT NOT NULL,
    started_us  INTEGER NOT NULL,
    took_us     INTEGER NOT NULL,
    memory_mb   INTEGER NOT NULL,    -- the most that the process has used so far
    status      TEXT NOT NULL,       -- success, failure
    error       TEXT
) STRICT;
CREATE INDEX schedule_runs_by_function ON schedule_runs (function, started_us, id);
CREATE INDEX schedule_runs_by_schedule ON schedule_runs (schedule_id, started_us, id);
