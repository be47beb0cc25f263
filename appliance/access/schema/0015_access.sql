-- Paired devices and one-time codes. Written by access/store.py alone. Not journaled: no event shows them.

CREATE TABLE devices (
    id         TEXT PRIMARY KEY,     -- UUIDv7
    name       TEXT NOT NULL,        -- shown and stored as created_by; unique among devices that are not revoked
    role       TEXT NOT NULL,        -- of access/roles.py
    token_hash TEXT NOT NULL UNIQUE, -- sha256 of the token, hex; the token itself is never stored
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,        -- who made the code: 'console', or the name of an admin's device
    updated_us INTEGER NOT NULL,
    rev        INTEGER NOT NULL DEFAULT 1, -- counts changes of the row
    seen_us    INTEGER,              -- newest request, box time, correct to a minute; null: none yet
    revoked_us INTEGER               -- when it lost its access; null: it has it
) STRICT;

CREATE TABLE pairing_codes (
    id         TEXT PRIMARY KEY,     -- UUIDv7; of a code made on the console, the name of its file
    selector   TEXT NOT NULL,        -- its first five characters, which find it
    code_hash  TEXT NOT NULL,        -- sha256 of the whole code, hex
    epoch      TEXT NOT NULL,        -- of the database it was made in: a restored copy has no live code
    role       TEXT NOT NULL,
    name       TEXT,                 -- of the device; null: the device names itself
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_us INTEGER NOT NULL,     -- box time
    tries      INTEGER NOT NULL DEFAULT 0, -- wrong codes with this selector; five end it
    used_us    INTEGER               -- when a device was paired with it; null: not yet
) STRICT;
