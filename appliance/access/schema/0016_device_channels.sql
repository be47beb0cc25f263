-- A capture device belongs to one channel; a device that is not used for long loses its access.

ALTER TABLE devices ADD COLUMN channel_id TEXT;       -- of a capture device; null: that of its first report
ALTER TABLE pairing_codes ADD COLUMN channel_id TEXT; -- of the device that it makes

CREATE TABLE access_days (
    day INTEGER PRIMARY KEY -- days since 1970 (UTC) on which a device used the box; as many as [access] unused_days needs
) STRICT;
