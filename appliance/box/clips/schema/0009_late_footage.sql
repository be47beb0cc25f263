-- State of the index at a cut with missing footage, so that it is repeated only for new footage.
-- Written by box/clips/cutting/late_footage.py and box/clips/records/cut_states.py.

ALTER TABLE clips ADD COLUMN late_known TEXT;   -- digest of the index's state for the span at the last check of the clip
ALTER TABLE clips ADD COLUMN failed_had_us INTEGER; -- of a failed clip: how much of its span could have been shown; null: unknown
