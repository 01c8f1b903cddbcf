-- The journal's first form. `doc` columns hold JSON of the core's values (see codec.py); the other
-- columns repeat what is searched for. Times are milliseconds since the Unix epoch, UTC.

CREATE TABLE lanes (
  code    TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  members TEXT NOT NULL,       -- ids of the remembered submissions, in order, parted by spaces
  doc     TEXT NOT NULL,       -- the lane's own fields, without its submissions
  due_ms  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_due ON lanes (due_ms) WHERE due_ms IS NOT NULL;

CREATE TABLE claims (
  code     TEXT PRIMARY KEY,
  owner    TEXT NOT NULL,
  token    INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- lane_version: the highest version of any removed lane; claim_token: the last one given.
CREATE TABLE numbers (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO numbers VALUES ('lane_version', 0), ('claim_token', 0);

CREATE TABLE submissions (
  id          TEXT PRIMARY KEY,
  code        TEXT NOT NULL,
  remembered  INTEGER NOT NULL,  -- 1: its lane still names it
  state       TEXT NOT NULL,
  outcome     TEXT,
  created_ms  INTEGER NOT NULL,
  closed_ms   INTEGER,
  file_due_ms INTEGER,           -- when its file leaves the spool; NULL while open
  file_gone   INTEGER NOT NULL DEFAULT 0,
  top_seq     INTEGER NOT NULL,  -- the highest seq of the events it holds, 0: none
  doc         TEXT NOT NULL
) STRICT;
CREATE INDEX submissions_of_code ON submissions (code, id);
CREATE INDEX submissions_open ON submissions (state, id, created_ms) WHERE state <> 'closed';
CREATE INDEX submissions_by_outcome ON submissions (outcome, id) WHERE outcome IS NOT NULL;
CREATE INDEX submissions_files ON submissions (file_due_ms, id)
  WHERE file_gone = 0 AND file_due_ms IS NOT NULL;
CREATE INDEX submissions_forgotten ON submissions (closed_ms) WHERE remembered = 0;
CREATE INDEX submissions_top_seq ON submissions (top_seq) WHERE top_seq > 0;

-- Counted as they close: counting a month of rows at every heartbeat would take too long.
CREATE TABLE closed_counts (
  outcome TEXT PRIMARY KEY,
  n       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER count_inserted AFTER INSERT ON submissions WHEN new.outcome IS NOT NULL BEGIN
  INSERT INTO closed_counts VALUES (new.outcome, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER count_updated AFTER UPDATE OF outcome ON submissions
  WHEN old.outcome IS NOT new.outcome BEGIN
  UPDATE closed_counts SET n = n - 1 WHERE outcome = old.outcome;
  INSERT INTO closed_counts SELECT new.outcome, 1 WHERE new.outcome IS NOT NULL
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER count_deleted AFTER DELETE ON submissions WHEN old.outcome IS NOT NULL BEGIN
  UPDATE closed_counts SET n = n - 1 WHERE outcome = old.outcome;
END;

-- One row per commit: a JSON array of [event, fact] pairs.
CREATE TABLE facts (
  id       INTEGER PRIMARY KEY,
  at_ms    INTEGER NOT NULL,
  code     TEXT,                 -- set only where a fact of the lane itself is among them
  subjects INTEGER NOT NULL,     -- how many rows of fact_subjects point here
  body     TEXT NOT NULL
) STRICT;
CREATE INDEX facts_of_lane ON facts (code) WHERE code IS NOT NULL;
CREATE TABLE fact_subjects (
  submission_id TEXT NOT NULL,
  facts_id      INTEGER NOT NULL,
  PRIMARY KEY (submission_id, facts_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
  seq         INTEGER PRIMARY KEY,
  heard_ms    INTEGER NOT NULL,
  replayed    INTEGER NOT NULL,
  code        TEXT,
  payload     TEXT NOT NULL,
  disposition TEXT
) STRICT;
CREATE INDEX inbox_undisposed ON inbox (seq) WHERE disposition IS NULL;

CREATE TABLE ear (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  pid         TEXT,
  last_offset TEXT,
  alive_ms    INTEGER
) STRICT;
INSERT INTO ear VALUES (1, NULL, NULL, NULL);

CREATE TABLE gaps (
  id       INTEGER PRIMARY KEY,
  start_ms INTEGER NOT NULL,
  end_ms   INTEGER,
  reason   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX gaps_open ON gaps ((end_ms IS NULL)) WHERE end_ms IS NULL;

CREATE TABLE idempotency (
  key           TEXT PRIMARY KEY,
  fingerprint   TEXT NOT NULL,
  submission_id TEXT NOT NULL,
  created_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_of_submission ON idempotency (submission_id);

CREATE TABLE reactions (
  submission_id TEXT NOT NULL,
  version       INTEGER NOT NULL,
  tries         INTEGER NOT NULL,
  due_ms        INTEGER NOT NULL,
  PRIMARY KEY (submission_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX reactions_due ON reactions (due_ms);
