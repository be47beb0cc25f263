-- Forgotten marks: clips that the box closed and that were never viewed get no file, and are deleted first.

ALTER TABLE clips ADD COLUMN looked_us INTEGER; -- first playback or trim; written for auto_closed clips only

CREATE INDEX clips_closed_by_box ON clips (id) WHERE auto_closed = 1; -- few

CREATE INDEX plans_by_size ON plans (size) WHERE file_path IS NOT NULL; -- files that may hold the bytes of another clip's plan
