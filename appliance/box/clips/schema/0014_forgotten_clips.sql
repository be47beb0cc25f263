-- Forgotten clips, without the conditions that other domains give (`clip_uses` of their records).

DROP VIEW IF EXISTS forgotten_clips;

CREATE VIEW forgotten_clips AS
    SELECT id FROM clips
    WHERE auto_closed = 1 AND looked_us IS NULL AND view_count = 0 AND is_favorite = 0 AND mode = 'instant'
        AND deleted_us IS NULL
        AND NOT EXISTS (SELECT 1 FROM plays WHERE plays.id = clips.play_id AND plays.is_favorite = 1);
