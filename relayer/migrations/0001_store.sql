-- The relayer's memory. Texts and whole numbers only, so that this serves SQLite and PostgreSQL alike.
-- Ids are 64 hexadecimal digits, so that their order is that of the numbers. A body is JSON.

-- One row: whose store it is. Numbers of chains do not fit into BIGINT.
CREATE TABLE owner (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  chain_id TEXT NOT NULL,
  escrow TEXT NOT NULL
);

-- Single facts, by name.
CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL);

-- Blocks read so far; the last is the cursor.
CREATE TABLE blocks (number BIGINT PRIMARY KEY, body TEXT NOT NULL);

-- Jobs without their transactions. Active are those that are not settled, loose those that are, with claims of which
-- some may wait in a pool.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  active BIGINT NOT NULL,
  loose BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX jobs_active ON jobs (deadline, id) WHERE active = 1;
CREATE INDEX jobs_loose ON jobs (id) WHERE loose = 1;

-- Every transaction that is signed, from before a node sees it. Of a kind (job, duty, withdrawal or withdrawn) and an
-- owner of that kind; empty ones (1) only take the nonce of one that is not wanted any more. Oldest first by place.
CREATE TABLE outbox (
  kind TEXT NOT NULL,
  owner TEXT NOT NULL,
  empty BIGINT NOT NULL,
  place BIGINT NOT NULL,
  account TEXT NOT NULL,
  nonce BIGINT NOT NULL,
  hash TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, owner, empty, place)
);

CREATE TABLE proofs (job TEXT PRIMARY KEY, body TEXT NOT NULL);

-- By the JSON of the duty, which is the same for the same duty. Without their transactions.
CREATE TABLE duties (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE duty_proofs (name TEXT PRIMARY KEY, body TEXT NOT NULL);

-- Withdrawals on their way, and those in blocks that may yet be taken back. Without their transactions.
CREATE TABLE withdrawals (token TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE withdrawn (hash TEXT PRIMARY KEY, block BIGINT NOT NULL, body TEXT NOT NULL);

-- What watches have found so far, by their name.
CREATE TABLE found (watch TEXT PRIMARY KEY, body TEXT NOT NULL);
