-- Tournaments, their matches, what people have decided, tables and brackets. Written by cloud/scoring/records/ alone.
-- Teams, leagues, seasons and events are those of cloud/competitions. Days are YYYY-MM-DD.

CREATE TABLE tournaments (
    id           TEXT PRIMARY KEY,  -- UUID, or a slug that people chose
    name         TEXT NOT NULL,
    season       TEXT,              -- as people write it: 2026-27; null: the rules in force
    sport        TEXT NOT NULL,     -- of its teams
    timezone     TEXT NOT NULL,     -- IANA name: of kick-offs without a zone, and of the days of decisions
    rules        TEXT NOT NULL,     -- name of a rule-set: england:2
    league_id    TEXT,              -- whose tokens may change it, and which its new teams belong to; null: none yet
    season_id    TEXT,              -- of that league
    mode         TEXT,              -- league, groups, cup, mixed: of its matches; null: it has none
    providers    TEXT NOT NULL,     -- JSON object: a provider's reference of the tournament by the provider's name
    curtailed    TEXT,              -- JSON {method, on}: the season ended early; null: it did not
    excluded     TEXT NOT NULL,     -- JSON array of {team_id, mode, on}
    listed       TEXT NOT NULL,     -- JSON array of {stage, group, teams}: known before they have played
    request_hash TEXT NOT NULL,     -- of the body that made the row
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX tournaments_in_order ON tournaments (created_us, id);

-- What providers say of a match. Decisions of an office and the score of a stadium's box are in tables of their own,
-- so that no update can overwrite them.
CREATE TABLE matches (
    id              TEXT PRIMARY KEY, -- UUIDv7
    tournament_id   TEXT NOT NULL,  -- of tournaments
    event_id        TEXT,             -- of cloud/competitions; null: it is not filmed
    kind            TEXT NOT NULL,    -- league, group, knockout
    stage           TEXT NOT NULL,  -- League, Playoffs: each has its tables
    group_name      TEXT NOT NULL,    -- '': none
    round           TEXT NOT NULL,    -- its name within the stage
    slug            TEXT NOT NULL,    -- of the round, in addresses
    number          INTEGER,          -- in the whole tournament: what W49 refers to
    leg             INTEGER,        -- of a tie: 1 or 2; null: it has one
    is_replay       INTEGER NOT NULL CHECK (is_replay IN (0, 1)),-- 1: an earlier match of the tie was level
    is_neutral      INTEGER NOT NULL CHECK (is_neutral IN (0, 1)),-- 1: neither side is at home
    day             TEXT,             -- where it is played; null: not announced
    kickoff_us      INTEGER,          -- null: the time is not known
    order_us        INTEGER NOT NULL, -- of lists: kick-off, else the beginning of the day, else far ahead
    home_team_id    TEXT,             -- null: home_slot alone is known
    away_team_id    TEXT,
    home_slot       TEXT,             -- a placeholder: W49; null: a provider named a team at once
    away_slot       TEXT,           -- the same of the other side
    status          TEXT NOT NULL,    -- open, ended, not-defined
    detail          TEXT NOT NULL,    -- the provider's word
    home_score      INTEGER,          -- after the regular time, on the pitch
    away_score      INTEGER,        -- the same
    home_at_half    INTEGER,        -- score at half time
    away_at_half    INTEGER,        -- the same
    home_after_extra INTEGER,          -- the running total
    away_after_extra INTEGER,       -- the same
    home_penalty_score INTEGER,       -- of a shoot-out: never goals
    away_penalty_score INTEGER,     -- the same
    home_awarded    INTEGER,          -- official result as a provider gives it
    away_awarded    INTEGER,        -- the same
    source          TEXT NOT NULL,    -- the provider of status and scores
    source_priority INTEGER NOT NULL, -- of that provider: the lowest is asked first
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL,
    rev             INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX matches_by_round ON matches (tournament_id, slug);
CREATE INDEX matches_in_order ON matches (tournament_id, order_us, id);
CREATE INDEX matches_by_event ON matches (event_id);
CREATE INDEX matches_by_home_team ON matches (home_team_id);
CREATE INDEX matches_by_away_team ON matches (away_team_id);
CREATE INDEX matches_by_kickoff ON matches (kickoff_us);

CREATE TABLE match_references (
    tournament_id TEXT NOT NULL,
    provider  TEXT NOT NULL,
    reference TEXT NOT NULL,        -- the provider's id of the match
    match_id  TEXT NOT NULL,        -- of matches
    PRIMARY KEY (tournament_id, provider, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX match_references_by_match ON match_references (match_id);

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

-- As of the last recalculation.
CREATE TABLE standings (
    tournament_id TEXT NOT NULL,
    stage         TEXT NOT NULL,
    group_name    TEXT NOT NULL,
    team_id       TEXT NOT NULL,
    place         INTEGER NOT NULL, -- order of all rows of the tournament, from 0
    position      INTEGER NOT NULL, -- in its table; level teams share one
    played        INTEGER NOT NULL, -- matches that count
    won           INTEGER NOT NULL, -- of those
    drawn         INTEGER NOT NULL, -- of those
    lost          INTEGER NOT NULL, -- of those
    goals_for     INTEGER NOT NULL, -- scored
    goals_against INTEGER NOT NULL, -- conceded
    points        INTEGER NOT NULL, -- with adjustments
    zone          TEXT,             -- by its position; null: none
    details       TEXT NOT NULL,    -- JSON object: the other fields of the row
    updated_us    INTEGER NOT NULL,
    PRIMARY KEY (tournament_id, stage, group_name, team_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE brackets (
    tournament_id TEXT PRIMARY KEY,
    ties          TEXT NOT NULL,    -- JSON array, in the order of play
    notes         TEXT NOT NULL,    -- JSON array: what a person should look at
    updated_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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
