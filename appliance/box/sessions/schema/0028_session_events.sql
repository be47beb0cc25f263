-- The event of the cloud that a session films. Written by box/sessions/store.py alone, as all of `sessions`.

ALTER TABLE sessions ADD COLUMN event_id TEXT; -- the cloud's; null: none
CREATE UNIQUE INDEX sessions_by_event ON sessions (event_id) WHERE event_id IS NOT NULL AND deleted_us IS NULL;
CREATE INDEX sessions_of_event ON sessions (event_id) WHERE event_id IS NOT NULL;
