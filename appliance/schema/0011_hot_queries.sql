-- Indexes of what is asked for every mark and every tablet: without them each looked at all plans and clips there are.

CREATE INDEX plans_unwritten ON plans (created_us) WHERE file_path IS NULL; -- what gets a file next

CREATE INDEX plans_superseded ON plans (superseded_us) WHERE superseded_us IS NOT NULL; -- cuts that are to go

CREATE INDEX clips_by_updated ON clips (updated_us, session_id); -- sessions somebody worked on lately: GET /snapshot
