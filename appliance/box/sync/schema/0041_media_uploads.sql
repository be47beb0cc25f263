-- Files that go to the cloud: Local Copies of sessions, clips. Written by box/sync/media/store.py alone.

CREATE TABLE media_uploads (
    id          TEXT PRIMARY KEY,   -- UUIDv7
    kind        TEXT NOT NULL,      -- local_copy (one camera's whole session), clip
    session_id  TEXT NOT NULL,      -- of sessions
    clip_id     TEXT,               -- of clips; null: a Local Copy
    media_rev   INTEGER,            -- of the clip: which cut; null as above
    channel_id  TEXT NOT NULL,
    event_id    TEXT,               -- of the cloud: what the session films; null: none was chosen
    filename    TEXT NOT NULL,      -- as people see it in the cloud
    state       TEXT NOT NULL,      -- asked, planned, sent, up, failed, lost: machine.py
    is_wanted   INTEGER NOT NULL CHECK (is_wanted IN (0, 1)), -- 0: its bytes are fixed and kept, nothing is sent
    header      BLOB,               -- the first bytes of the file: of ours; null: not planned yet
    ranges      TEXT,               -- JSON array of [recording, offset, length]: the bytes after the header, in order
    size        INTEGER,            -- bytes of the whole file; null as header
    sent_bytes  INTEGER NOT NULL,   -- that the cloud has stored
    upload_path TEXT NOT NULL,      -- of the cloud's upload; '': it was not begun
    attempt     INTEGER NOT NULL,   -- counts uploads that were begun for it
    reason      TEXT NOT NULL,      -- why it failed or is lost; ''
    pinned_until_us INTEGER NOT NULL, -- until then its recordings are not deleted for their age
    created_us  INTEGER NOT NULL,
    updated_us  INTEGER NOT NULL,
    rev         INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX media_uploads_by_state ON media_uploads (state, created_us);
CREATE INDEX media_uploads_by_session ON media_uploads (session_id);
