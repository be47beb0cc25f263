-- The score of each session as an operator sees it. Written by box/scores/store.py alone. Earlier ones are in the
-- journal.

CREATE TABLE scores (
    session_id  TEXT PRIMARY KEY,
    home        INTEGER NOT NULL, -- of the home team, as on the scoreboard
    away        INTEGER NOT NULL, -- of the away team
    period      INTEGER,          -- from 1; 5 and more: overtime
    clock       TEXT,             -- as on the scoreboard: '12:34'
    observed_us INTEGER NOT NULL, -- box time
    observed_by TEXT NOT NULL     -- device
) STRICT;
