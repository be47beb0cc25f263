-- Indexes for queries of every mark and every tablet: without them each query read all plans and clips.

CREATE INDEX plans_unwritten ON plans (created_us) WHERE file_path IS NULL; -- plans that get a file next

CREATE INDEX plans_superseded ON plans (superseded_us) WHERE superseded_us IS NOT NULL; -- cuts to delete

CREATE INDEX clips_by_updated ON clips (updated_us, session_id); -- recently changed sessions: GET /snapshot
