-- Cuts that were replaced. Written by box/clips/records.

ALTER TABLE plans ADD COLUMN superseded_us INTEGER; -- when a newer cut replaced it; deleted with its file later
UPDATE plans SET superseded_us = created_us WHERE media_rev IS NOT (SELECT ready_media_rev FROM clips WHERE id = clip_id);
