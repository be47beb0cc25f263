-- Tokens that crossed the network unencrypted end some time after TLS was switched on; a device's page makes a code for
-- the same page as an installed app, whose access ends with the device's own.

ALTER TABLE devices ADD COLUMN plain_left INTEGER; -- null: its token never crossed the network unencrypted; else days of use with TLS on until it ends
ALTER TABLE devices ADD COLUMN next_hash TEXT;     -- sha256, hex, of the token that takes the place of the present one; null: none is given
ALTER TABLE devices ADD COLUMN parent_id TEXT;     -- of an installed app: the device whose page made its code
ALTER TABLE pairing_codes ADD COLUMN parent_id TEXT; -- the device whose page made the code, for an app on the same tablet

UPDATE devices SET plain_left = 14; -- of those paired before this was known, any may have
