-- A snapshot whose parts the cloud has all, and whose commit it has not answered yet. Written by
-- box/sync/up/state.py alone.

ALTER TABLE sync_up ADD COLUMN commit_path TEXT NOT NULL DEFAULT ''; -- that of the cloud's route; '': none waits
ALTER TABLE sync_up ADD COLUMN commit_body TEXT NOT NULL DEFAULT ''; -- JSON, as it was sent: asked for again, unchanged
ALTER TABLE sync_up ADD COLUMN left_out TEXT NOT NULL DEFAULT '';    -- names of resources that the snapshot lacks: too large for the cloud
