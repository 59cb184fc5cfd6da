-- Tasks whose job or duty has ended are put aside, by this database's clock (milliseconds of Unix time): no look at the queue
-- reads them, and they are forgotten some time later. One that is wanted again is taken up as it is.
ALTER TABLE tasks ADD COLUMN aside_since BIGINT;
CREATE INDEX tasks_live ON tasks (name) WHERE aside_since IS NULL;
CREATE INDEX tasks_aside ON tasks (aside_since) WHERE aside_since IS NOT NULL;
-- Those that are counted stay: their number must not slow down the look for those that are wanted.
CREATE INDEX openings_wanted ON openings (task) WHERE counted = 0;
