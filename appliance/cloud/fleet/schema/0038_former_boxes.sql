-- Machines that were the box of a site. Written by cloud/fleet/sites.py alone.

CREATE TABLE site_former_boxes (
    site_id     TEXT NOT NULL,    -- of sites
    box_id      TEXT NOT NULL,    -- the machine: refused for good, unless an admin names it as the next one
    replaced_us INTEGER NOT NULL, -- database time
    PRIMARY KEY (site_id, box_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE sites ADD COLUMN next_box_id TEXT; -- while box_id is null: the machine that an admin has named; null: any that was never replaced
