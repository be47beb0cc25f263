-- Files on their way to the hosted side, and the parts in which they lie until they are whole. Written by
-- cloud/uploads/store.py alone.

CREATE TABLE uploads (
    id            TEXT PRIMARY KEY,  -- UUIDv7
    owner         TEXT NOT NULL,     -- whose it is: site:ID of a box, league:ID of people
    kind          TEXT NOT NULL,     -- what the file is, by its sender: local_copy, clip, video
    filename      TEXT NOT NULL,     -- for people; '': none was given
    event_id      TEXT,              -- of events: what it shows; null: none was named
    session_id    TEXT,              -- of the box's sessions; null as above
    clip_id       TEXT,              -- of the box's clips; null as above
    channel_id    TEXT,              -- of the box's cameras; null as above
    length        INTEGER NOT NULL,  -- bytes of the whole file
    received      INTEGER NOT NULL,  -- bytes that are stored, from its beginning: the offset of the next PATCH
    state         TEXT NOT NULL,     -- receiving, joining, complete, failed, expired, deleted: machine.py
    wanted_sha256 TEXT,              -- hex, as its sender declared; null: it did not
    sha256        TEXT,              -- hex, of the object sha256/{hex} it became; null: it is not complete
    reason        TEXT NOT NULL,     -- why it failed; '': it did not
    until_us      INTEGER NOT NULL,  -- given up then, if it still lacks bytes
    created_by    TEXT NOT NULL,
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    rev           INTEGER NOT NULL DEFAULT 1,
    deleted_us    INTEGER
) STRICT;
CREATE INDEX uploads_in_order ON uploads (created_us, id);
CREATE INDEX uploads_by_state ON uploads (state, until_us);
CREATE INDEX uploads_by_owner ON uploads (owner, state);

CREATE TABLE upload_parts (
    upload_id  TEXT NOT NULL,        -- of uploads
    number     INTEGER NOT NULL,     -- from 1, in the order in which they were begun
    object_key TEXT NOT NULL,        -- of its object: this row is written before the object is
    start_byte INTEGER NOT NULL,     -- where it begins in the file
    size_bytes INTEGER,              -- null: it does not count (yet), its object may be there
    PRIMARY KEY (upload_id, number)
) STRICT;
