-- The latest signs of life and switching of a channel. Written by box/channels/store.py and box/channels/configured.py alone.

ALTER TABLE channels ADD COLUMN heartbeat_us INTEGER; -- newest heartbeat, flushed with last_seen_us; null: none ever came
ALTER TABLE channels ADD COLUMN switched_us INTEGER;  -- when a person or a device last switched it on or off; null: never

UPDATE channels SET heartbeat_us = last_seen_us WHERE liveness = 'heartbeat';
UPDATE channels SET switched_us = updated_us WHERE EXISTS (
    SELECT 1 FROM journal WHERE journal.type = 'channel_status' AND journal.subject = 'channel:' || channels.id
);
