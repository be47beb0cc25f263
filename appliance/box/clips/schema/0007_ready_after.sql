-- How long a play took to become playable, measured by the box. Written by box/clips/records/cut_states.py alone.

ALTER TABLE clips ADD COLUMN ready_after_us INTEGER; -- from OUT received to playable; null: not yet, or not at the first try
