-- Which events are logged, as what, and by whom. breakdown_types, logging_rules, offices and loggers are written
-- by cloud/breakdowns/catalog/store.py (a logger's job by queue/rows.py), markings by marking/rows.py,
-- logging_audit by audit.py.

CREATE TABLE breakdown_types (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,     -- as people call it: basic, complete
    rank         INTEGER NOT NULL,  -- how extensive it is: of several rules the greatest wins
    fields       TEXT NOT NULL,     -- JSON array: what is recorded
    target_s     INTEGER NOT NULL,  -- seconds after the video is usable: from then on a job is at risk
    due_s        INTEGER NOT NULL,  -- likewise: from then on it is breached
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX breakdown_types_in_order ON breakdown_types (created_us, id);

CREATE TABLE logging_rules (
    id                TEXT PRIMARY KEY,
    league_id         TEXT NOT NULL REFERENCES leagues (id),
    season_id         TEXT REFERENCES seasons (id),  -- null: of every season of the league
    team_id           TEXT REFERENCES teams (id),    -- null: of every event of the league, not of one team's
    breakdown_type_id TEXT NOT NULL REFERENCES breakdown_types (id), -- as what it is logged
    is_active         INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    request_hash      TEXT NOT NULL,
    created_by        TEXT NOT NULL,
    created_us        INTEGER NOT NULL,
    updated_us        INTEGER NOT NULL,
    rev               INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX logging_rules_in_order ON logging_rules (created_us, id);
CREATE INDEX logging_rules_by_league ON logging_rules (league_id);
CREATE INDEX logging_rules_by_type ON logging_rules (breakdown_type_id);

CREATE TABLE offices (
    id           TEXT PRIMARY KEY,
    league_id    TEXT REFERENCES leagues (id), -- the only one that it works for; null: for every league
    name         TEXT NOT NULL,
    capacity     INTEGER NOT NULL,  -- jobs that its loggers may have open at a time
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX offices_in_order ON offices (created_us, id);

CREATE TABLE loggers (
    id                 TEXT PRIMARY KEY,
    office_id          TEXT NOT NULL REFERENCES offices (id), -- where the logger works
    name               TEXT NOT NULL,
    sports             TEXT NOT NULL,     -- JSON array: the sports of this logger
    breakdown_type_ids TEXT NOT NULL,     -- JSON array: the types that this logger is qualified for
    is_available       INTEGER NOT NULL CHECK (is_available IN (0, 1)), -- the queue assigns jobs
    job_id             TEXT,              -- the logger's open job; null: none
    last_assigned_us   INTEGER NOT NULL DEFAULT 0, -- 0: never
    request_hash       TEXT NOT NULL,
    created_by         TEXT NOT NULL,
    created_us         INTEGER NOT NULL,
    updated_us         INTEGER NOT NULL,
    rev                INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX loggers_in_order ON loggers (created_us, id);
CREATE INDEX loggers_by_office ON loggers (office_id);
CREATE UNIQUE INDEX loggers_by_job ON loggers (job_id);

CREATE TABLE markings (
    id                TEXT PRIMARY KEY REFERENCES events (id), -- of the event
    league_id         TEXT NOT NULL REFERENCES leagues (id),
    state             TEXT NOT NULL,     -- as in breakdowns/marking/machine.py
    reason            TEXT NOT NULL,     -- why it is to be logged, or not: as in breakdowns/marking/core.py
    breakdown_type_id TEXT REFERENCES breakdown_types (id), -- null: it is not to be logged
    fields            TEXT NOT NULL,     -- JSON array: of the type, and of others with its rank
    rule_id           TEXT,              -- the rule that won; null: it is not to be logged
    won_by            TEXT,              -- whose rule that is: league, home, away
    ignored           TEXT,              -- JSON: what the rules would say now, where a job was assigned; null: the same
    awaiting_us       INTEGER,           -- since when its video is known to be unusable; null: it is not
    alerted_us        INTEGER,           -- when that was reported as too long; null: it was not
    created_us        INTEGER NOT NULL,
    updated_us        INTEGER NOT NULL,
    rev               INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX markings_by_type ON markings (breakdown_type_id);
CREATE INDEX markings_awaiting ON markings (awaiting_us);

CREATE TABLE logging_audit (
    id         TEXT PRIMARY KEY,         -- UUIDv7
    league_id  TEXT,                     -- null: of no league alone
    subject    TEXT NOT NULL,            -- kind:ID, as in event:ID
    action     TEXT NOT NULL,            -- what was done, or refused
    by_whom    TEXT NOT NULL,            -- name of the token; system: the service itself
    reason     TEXT NOT NULL,
    details    TEXT NOT NULL,            -- JSON object
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX logging_audit_in_order ON logging_audit (created_us, id);
CREATE INDEX logging_audit_by_subject ON logging_audit (subject, created_us, id);
