-- Tokens of the hosted side. Written by access/tokens/store.py alone. Not journaled: no event shows them.

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,     -- UUIDv7
    name       TEXT NOT NULL,        -- shown and stored as created_by
    role       TEXT NOT NULL,        -- of cloud/permissions.py
    scopes     TEXT NOT NULL,        -- what it is limited to, each as 'league:ID', with a space between; '': nothing
    token_hash TEXT NOT NULL UNIQUE, -- sha256 of the token, hex; the token itself is never stored
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,        -- 'console'
    revoked_us INTEGER               -- when it lost its access; null: it has it
) STRICT;
