-- Retention: which recordings must stay, and which are being deleted. Written by box/retention/store.py; `pins` by the triggers
-- below, so that every writer of plans updates them.

CREATE TABLE pins (
    recording TEXT NOT NULL,             -- '<channel id>/<file>': a plan without a file of its own plays bytes of it
    clip_id   TEXT NOT NULL,             -- the clip of the plan
    media_rev INTEGER NOT NULL,          -- the media_rev of the plan
    PRIMARY KEY (recording, clip_id, media_rev)
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_by_plan ON pins (clip_id, media_rev);

CREATE TABLE condemned (
    recording TEXT PRIMARY KEY           -- journaled as deleted, unlink not confirmed yet: retried until it is
) STRICT, WITHOUT ROWID;

INSERT INTO pins SELECT DISTINCT piece.value ->> 0, clip_id, media_rev
    FROM plans, json_each(plans.ranges) AS piece WHERE file_path IS NULL;

CREATE TRIGGER plan_pins AFTER INSERT ON plans WHEN NEW.file_path IS NULL BEGIN
    INSERT OR IGNORE INTO pins
        SELECT DISTINCT piece.value ->> 0, NEW.clip_id, NEW.media_rev FROM json_each(NEW.ranges) AS piece;
END;
CREATE TRIGGER plan_unpins AFTER UPDATE OF file_path ON plans WHEN NEW.file_path IS NOT NULL BEGIN
    DELETE FROM pins WHERE clip_id = NEW.clip_id AND media_rev = NEW.media_rev;
END;
CREATE TRIGGER plan_pins_again AFTER UPDATE OF file_path ON plans
    WHEN NEW.file_path IS NULL AND OLD.file_path IS NOT NULL BEGIN
    INSERT OR IGNORE INTO pins
        SELECT DISTINCT piece.value ->> 0, NEW.clip_id, NEW.media_rev FROM json_each(NEW.ranges) AS piece;
END;
CREATE TRIGGER plan_is_gone AFTER DELETE ON plans BEGIN
    DELETE FROM pins WHERE clip_id = OLD.clip_id AND media_rev = OLD.media_rev;
END;
