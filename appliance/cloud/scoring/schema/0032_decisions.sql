-- What people and the boxes of stadiums say of matches, beside what providers say. Written by cloud/scoring/records/ alone.

-- The score that a stadium's box has observed last: shown while a match is played, never instead of a provider's end.
CREATE TABLE observed_scores (
    match_id    TEXT PRIMARY KEY,
    site_id     TEXT NOT NULL,
    home        INTEGER NOT NULL,   -- goals
    away        INTEGER NOT NULL,   -- the same
    period      INTEGER,            -- as the box counts them; null: it named none
    observed_us INTEGER NOT NULL    -- when it came
) STRICT, WITHOUT ROWID;

-- Decisions of people: rows are added and never changed. The last one of a subject holds.

CREATE TABLE official_results (
    id         TEXT PRIMARY KEY,    -- UUIDv7
    match_id   TEXT NOT NULL,
    home       INTEGER,             -- null with away: the decision before is withdrawn
    away       INTEGER,
    day        TEXT NOT NULL,       -- from which it counts
    reason     TEXT NOT NULL,       -- why, for people
    created_by TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX official_results_by_match ON official_results (match_id, created_us, id);

CREATE TABLE adjustments (
    id            TEXT PRIMARY KEY,
    tournament_id TEXT NOT NULL,
    team_id       TEXT NOT NULL,
    points        INTEGER NOT NULL, -- taken away: negative
    day           TEXT NOT NULL,    -- from which it counts
    stage         TEXT,             -- null: the one that is played on that day
    reason        TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX adjustments_by_tournament ON adjustments (tournament_id, created_us, id);

CREATE TABLE tie_orders (
    id            TEXT PRIMARY KEY,
    tournament_id TEXT NOT NULL,
    stage         TEXT NOT NULL,
    group_name    TEXT NOT NULL,
    team_ids      TEXT NOT NULL,    -- JSON array: level teams in their order
    day           TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX tie_orders_by_tournament ON tie_orders (tournament_id, created_us, id);

CREATE TABLE tie_winners (
    id            TEXT PRIMARY KEY,
    tournament_id TEXT NOT NULL,
    tie_id        TEXT NOT NULL,    -- of the bracket
    team_id       TEXT,             -- null: the decision before is withdrawn
    day           TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX tie_winners_by_tournament ON tie_winners (tournament_id, created_us, id);

CREATE TABLE team_facts (
    id            TEXT PRIMARY KEY,
    tournament_id TEXT NOT NULL,
    team_id       TEXT NOT NULL,
    criterion     TEXT NOT NULL,    -- of a rule-set, which results do not tell: discipline, coefficient
    value         REAL NOT NULL,    -- as people write it
    day           TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX team_facts_by_tournament ON team_facts (tournament_id, created_us, id);

-- Two sources that contradict each other on a match that has ended.
CREATE TABLE discrepancies (
    id            TEXT PRIMARY KEY, -- UUIDv7
    tournament_id TEXT NOT NULL,
    match_id      TEXT NOT NULL,
    source        TEXT NOT NULL,    -- whose value counts: a provider
    value         TEXT NOT NULL,    -- as people write it: 2-1 (4-2 pen.)
    other_source  TEXT NOT NULL,    -- another provider, or site:ID of a box
    other_value   TEXT NOT NULL,    -- what it says
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    rev           INTEGER NOT NULL DEFAULT 1,
    resolved_us   INTEGER           -- they agree again, or an office has decided; null: open
) STRICT;
CREATE INDEX discrepancies_by_tournament ON discrepancies (tournament_id, created_us, id);
CREATE INDEX discrepancies_by_match ON discrepancies (match_id, other_source);
