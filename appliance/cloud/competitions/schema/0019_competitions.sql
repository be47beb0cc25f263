-- Leagues, seasons, teams, athletes, associations, events, aliases. Written by cloud/competitions/store.py alone.
-- deleted_us: when a row was deleted; null: it was not. Associations are not deleted: is_active ends them.

CREATE TABLE leagues (
    id           TEXT PRIMARY KEY,  -- UUID
    name         TEXT NOT NULL,
    sport        TEXT NOT NULL,     -- american_football, football, basketball
    timezone     TEXT NOT NULL,     -- IANA name: of kick-offs that were announced without a zone
    request_hash TEXT NOT NULL,     -- of the body that made the row
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX leagues_in_order ON leagues (created_us, id);

CREATE TABLE seasons (
    id           TEXT PRIMARY KEY,
    league_id    TEXT NOT NULL REFERENCES leagues (id), -- whose tokens may change it
    name         TEXT NOT NULL,     -- as people write it: 2026-27
    starts_on    TEXT,              -- YYYY-MM-DD
    ends_on      TEXT,              -- YYYY-MM-DD, included
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX seasons_in_order ON seasons (created_us, id);
CREATE INDEX seasons_by_league ON seasons (league_id);

CREATE TABLE teams (
    id           TEXT PRIMARY KEY,
    league_id    TEXT NOT NULL REFERENCES leagues (id),
    name         TEXT NOT NULL,
    short_name   TEXT,              -- for tables: three to five letters
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX teams_in_order ON teams (created_us, id);
CREATE INDEX teams_by_league ON teams (league_id);

CREATE TABLE athletes (
    id           TEXT PRIMARY KEY,
    team_id      TEXT NOT NULL REFERENCES teams (id), -- an athlete who moves is changed to the new one
    name         TEXT NOT NULL,
    number       TEXT,              -- on the jersey, as written: 07 is not 7
    position     TEXT,              -- as the team calls it
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX athletes_in_order ON athletes (created_us, id);
CREATE INDEX athletes_by_team ON athletes (team_id);

CREATE TABLE associations (
    id           TEXT PRIMARY KEY,
    league_id    TEXT NOT NULL REFERENCES leagues (id), -- of the season
    season_id    TEXT NOT NULL REFERENCES seasons (id), -- of one league
    team_id      TEXT NOT NULL REFERENCES teams (id),
    is_active    INTEGER NOT NULL CHECK (is_active IN (0, 1)), -- 0: it ended, or was a mistake
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER,
    UNIQUE (season_id, team_id)
) STRICT;
CREATE INDEX associations_in_order ON associations (created_us, id);
CREATE INDEX associations_by_team ON associations (team_id);

CREATE TABLE events (
    id           TEXT PRIMARY KEY,
    league_id    TEXT NOT NULL REFERENCES leagues (id),
    season_id    TEXT NOT NULL REFERENCES seasons (id),
    home_team_id TEXT NOT NULL REFERENCES teams (id), -- first named, also on neutral ground
    away_team_id TEXT NOT NULL REFERENCES teams (id), -- another one
    kickoff_us   INTEGER,           -- null: not announced
    venue        TEXT,              -- as people call it
    site_id      TEXT,              -- the box of the stadium it is played in
    status       TEXT NOT NULL,     -- scheduled, cancelled
    request_hash TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    updated_us   INTEGER NOT NULL,
    rev          INTEGER NOT NULL DEFAULT 1,
    deleted_us   INTEGER
) STRICT;
CREATE INDEX events_in_order ON events (created_us, id);
CREATE INDEX events_by_league ON events (league_id, season_id);

CREATE TABLE team_aliases (
    id           TEXT PRIMARY KEY,
    team_id      TEXT NOT NULL REFERENCES teams (id),
    provider     TEXT NOT NULL,     -- of football data, in lower case
    name         TEXT NOT NULL,     -- what it calls the team
    created_by   TEXT NOT NULL,
    created_us   INTEGER NOT NULL,
    UNIQUE (provider, name)
) STRICT;
CREATE INDEX team_aliases_by_team ON team_aliases (team_id);
