-- Videos of events, and the jobs made of them. Sources are written by cloud/breakdowns/sources/store.py, jobs by
-- queue/rows.py.

CREATE TABLE sources (
    id           TEXT PRIMARY KEY,
    event_id     TEXT NOT NULL REFERENCES events (id), -- whose video it is
    league_id    TEXT NOT NULL REFERENCES leagues (id),
    kind         TEXT NOT NULL,     -- cloud: copied from the league's video service
    state        TEXT NOT NULL,     -- as in breakdowns/sources/machine.py
    url          TEXT NOT NULL,     -- where the video is
    notice_id    TEXT UNIQUE,       -- id of the notice that named it
    notice_hash  TEXT NOT NULL,     -- of that notice
    notified_us  INTEGER NOT NULL,  -- when the notice came
    published_us INTEGER,           -- since when the video is there, as the notice says; null: it does not
    accepted_us  INTEGER,           -- since when it is usable; null: it is not
    reason       TEXT,              -- why it is not usable; null: it is, or may be
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX sources_in_order ON sources (created_us, id);
CREATE INDEX sources_by_event ON sources (event_id, created_us, id);

CREATE TABLE jobs (
    id                TEXT PRIMARY KEY,  -- UUIDv7
    event_id          TEXT NOT NULL REFERENCES events (id),
    league_id         TEXT NOT NULL REFERENCES leagues (id),
    sport             TEXT NOT NULL,     -- of the league
    breakdown_type_id TEXT NOT NULL REFERENCES breakdown_types (id),
    source_id         TEXT NOT NULL REFERENCES sources (id), -- the video that is logged
    previous_job_id   TEXT,              -- the failed or logged job of this event that it follows; null: none
    status            TEXT NOT NULL,     -- as in breakdowns/queue/machine.py
    logger_id         TEXT REFERENCES loggers (id), -- who has it, or ended it; null: it waits
    lease_token       INTEGER,           -- of the logger's lease; null: it waits
    available_us      INTEGER NOT NULL,  -- since when the video is usable: its clock begins
    notified_us       INTEGER NOT NULL,  -- when the notice of the video came
    target_us         INTEGER NOT NULL,  -- from then on it is at risk
    due_us            INTEGER NOT NULL,  -- from then on it is breached
    extension_s       INTEGER NOT NULL DEFAULT 0, -- that were added to due_us
    at_risk_us        INTEGER,           -- when that alarm was sent; null: it was not
    breached_us       INTEGER,           -- likewise
    assigned_us       INTEGER,           -- last; null: never
    started_us        INTEGER,           -- of the logging, first; null: never
    ended_us          INTEGER,           -- logged, failed or withdrawn; null: it is open
    withdrawn_us      INTEGER,           -- the event is not to be logged any more; null: it is
    reason            TEXT,              -- why it failed, or was given back last
    note              TEXT,              -- in the logger's words
    missing           TEXT NOT NULL,     -- JSON array: what the video lacks
    created_us        INTEGER NOT NULL,
    updated_us        INTEGER NOT NULL,
    rev               INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX jobs_in_order ON jobs (created_us, id);
CREATE INDEX jobs_by_event ON jobs (event_id, created_us, id);
CREATE INDEX jobs_by_status ON jobs (status, due_us, id);
CREATE INDEX jobs_waiting ON jobs (status, sport, breakdown_type_id, due_us, id);
CREATE INDEX jobs_by_logger ON jobs (logger_id, assigned_us);
CREATE INDEX jobs_to_breach ON jobs (due_us, id) WHERE ended_us IS NULL AND breached_us IS NULL;
CREATE INDEX jobs_to_risk ON jobs (target_us, id)
    WHERE ended_us IS NULL AND breached_us IS NULL AND at_risk_us IS NULL;
CREATE UNIQUE INDEX jobs_one_open ON jobs (event_id) WHERE ended_us IS NULL;

CREATE TABLE job_passes (
    job_id     TEXT NOT NULL REFERENCES jobs (id),
    logger_id  TEXT NOT NULL REFERENCES loggers (id), -- gave it back, or let the lease end
    created_us INTEGER NOT NULL,
    PRIMARY KEY (job_id, logger_id)
) STRICT;
CREATE INDEX job_passes_by_logger ON job_passes (logger_id);
