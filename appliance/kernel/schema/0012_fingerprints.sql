-- Fingerprints of commands are computed differently from now on: a repeated request from before must still match.

UPDATE idempotency SET fingerprint = ''; -- '': any request with this key counts as the same one
