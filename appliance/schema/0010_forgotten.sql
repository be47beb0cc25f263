-- Forgotten marks: clips that the box closed and that were never viewed get no file, and are deleted first.

ALTER TABLE clips ADD COLUMN looked_us INTEGER; -- first playback or trim; written for auto_closed clips only

CREATE INDEX clips_closed_by_box ON clips (id) WHERE auto_closed = 1; -- few

CREATE VIEW forgotten_clips AS
    SELECT id FROM clips
    WHERE auto_closed = 1 AND looked_us IS NULL AND view_count = 0 AND is_favorite = 0 AND mode = 'instant'
        AND deleted_us IS NULL
        AND NOT EXISTS (SELECT 1 FROM plays WHERE plays.id = clips.play_id AND plays.is_favorite = 1)
        AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.clip_id = clips.id AND tags.deleted_us IS NULL);

CREATE INDEX plans_by_size ON plans (size) WHERE file_path IS NOT NULL; -- files that may hold the bytes of another clip's plan
