-- Fingerprints of commands are made in another way than before: a request of before, sent again, is still the same one.

UPDATE idempotency SET fingerprint = ''; -- '': whatever comes with this key is taken for the same request
