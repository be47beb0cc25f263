-- Who does what only one process may do at a time. Written by kernel/leases.py.

CREATE TABLE leases (
    kind     TEXT NOT NULL,     -- of work: a schedule that is due, a delivery, ...
    subject  TEXT NOT NULL,     -- what the work is about, within its kind
    owner    TEXT NOT NULL,     -- the process that took it
    token    INTEGER NOT NULL,  -- rises with every owner: a result counts only while it is still this one
    until_us INTEGER NOT NULL,  -- of the database's clock: afterwards another process may take it
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
