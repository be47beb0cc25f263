-- Footage that was deleted, by its time. Written by `note_deleted` of box/recordings/model.py alone.

CREATE TABLE footage_gone (
    channel_id TEXT NOT NULL,
    start_us   INTEGER NOT NULL,         -- wall time of the first frame deleted (latency not taken off)
    end_us     INTEGER NOT NULL,         -- wall time after the last one; adjacent stretches are one row
    PRIMARY KEY (channel_id, start_us)
) STRICT, WITHOUT ROWID;
