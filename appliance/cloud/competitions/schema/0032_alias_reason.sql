-- Why a provider's name leads to a team. Written by cloud/competitions/store.py alone.

ALTER TABLE team_aliases ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- for people; '': none was given
