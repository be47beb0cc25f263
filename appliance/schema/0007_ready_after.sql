-- The box's own figure of how fast a play came back. Written by clips/records/cut_states.py alone.

ALTER TABLE clips ADD COLUMN ready_after_us INTEGER; -- from OUT received to playable; null: not yet, or not at the first try
