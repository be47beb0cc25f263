-- Of each site's events those around a time. Written by cloud/competitions/store.py alone, as all of `events`.

CREATE INDEX events_by_site ON events (site_id, kickoff_us);
CREATE INDEX events_by_home_team ON events (home_team_id);
CREATE INDEX events_by_away_team ON events (away_team_id);
