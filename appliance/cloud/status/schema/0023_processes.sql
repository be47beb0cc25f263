-- Which processes of the hosted side run. Written by cloud/status/processes.py alone. Not journaled.

CREATE TABLE processes (
    name        TEXT PRIMARY KEY,  -- host, process id and a random part: of one start of the program
    version     TEXT NOT NULL,     -- of the program
    started_us  INTEGER NOT NULL,  -- database time, as every instant here
    seen_us     INTEGER NOT NULL,  -- when it last wrote this row
    journal_seq INTEGER NOT NULL   -- newest entry of the journal that it had read then
) STRICT;
