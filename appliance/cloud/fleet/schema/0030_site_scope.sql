-- What each site's box keeps. Written by cloud/fleet/changes/scope.py alone.

CREATE TABLE site_scope (
    site_id    TEXT NOT NULL,
    kind       TEXT NOT NULL,    -- of cloud/fleet/changes/kinds.py
    subject_id TEXT NOT NULL,    -- id of the resource, within its kind
    seq        INTEGER NOT NULL, -- of the entry that sends the site its last change
    is_removed INTEGER NOT NULL CHECK (is_removed IN (0, 1)), -- 1: a tombstone, it no longer concerns the site
    PRIMARY KEY (site_id, kind, subject_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX site_scope_by_seq ON site_scope (seq);
CREATE INDEX site_scope_in_order ON site_scope (site_id, seq);
CREATE INDEX site_scope_by_subject ON site_scope (kind, subject_id);
