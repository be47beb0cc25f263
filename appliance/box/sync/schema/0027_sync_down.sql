-- This box's copies of what the cloud owns. Written by box/sync/down/replicas.py alone.

CREATE TABLE sync_down (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    url       TEXT NOT NULL,     -- of the cloud from which the replicas are
    format    INTEGER NOT NULL,  -- down/model.py: what this release reads of them
    cursor    TEXT NOT NULL,     -- of the cloud, opaque: everything before it is stored; '': a snapshot is needed
    as_of_us  INTEGER,           -- box time at which the cloud confirmed last that this is what it has
    refused   TEXT NOT NULL      -- JSON object: resources that could not be read, and why
) STRICT;

CREATE TABLE replicas (
    kind       TEXT NOT NULL,    -- event, team, roster
    id         TEXT NOT NULL,    -- the cloud's
    seq        INTEGER NOT NULL, -- of the cloud: rises with each change of this resource
    resource   TEXT NOT NULL,    -- JSON object, as the cloud sent it
    changed_us INTEGER NOT NULL, -- box time at which it was stored
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX replicas_in_order ON replicas (seq, id);
