-- Proofs that are wanted, by what they are for, and who makes them. A worker has a task under a lease, which ends by this
-- database's clock (milliseconds of Unix time). The fence grows with each lease: what is told under an older one is refused.
CREATE TABLE tasks (
  name TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  latest_begin BIGINT NOT NULL,
  request TEXT NOT NULL,
  fence BIGINT NOT NULL,
  worker TEXT,
  lease_until BIGINT NOT NULL,
  outcome TEXT
);
CREATE INDEX tasks_open ON tasks (latest_begin, name) WHERE outcome IS NULL;

-- Openings of the weights that are counted, by the task they are for, until a proof of it is stored: a further try
-- takes the same. Wanted (0) by a worker that has no count, or counted (1).
CREATE TABLE openings (
  task TEXT PRIMARY KEY,
  counted BIGINT NOT NULL
);

-- Workers of other processes, for as long as they are seen: how many proofs of which models they make at a time.
CREATE TABLE workers (
  name TEXT PRIMARY KEY,
  models TEXT NOT NULL,
  places BIGINT NOT NULL,
  seen_until BIGINT NOT NULL
);

-- The number of the last lease, of whatever task.
INSERT INTO notes (name, body) VALUES ('fence', '0');
