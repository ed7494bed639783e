-- Tombstones leave the feed after a while, too.

-- The feed has no tombstone of this revision or below: a proxy whose table is older loads anew.
ALTER TABLE meta ADD COLUMN tombstones_after INTEGER NOT NULL DEFAULT 0 CHECK (tombstones_after >= 0);
-- What the feed reads: keys that are in it, and tombstones, each without walking over the other.
CREATE INDEX keys_in_feed ON keys (revision) WHERE gone_at IS NULL;
CREATE INDEX keys_gone ON keys (revision, gone_at) WHERE gone_at IS NOT NULL;
