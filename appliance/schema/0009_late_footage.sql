-- What a cut that lacks something knew, so that it is made again for new footage and for nothing else.
-- Written by clips/cutting/late.py and clips/records/cut_states.py.

ALTER TABLE clips ADD COLUMN late_known TEXT;   -- digest of what the index knew of the span when it was last held against the clip
ALTER TABLE clips ADD COLUMN failed_had_us INTEGER; -- of a failed clip: how much of its span the attempt could show; null: not known
