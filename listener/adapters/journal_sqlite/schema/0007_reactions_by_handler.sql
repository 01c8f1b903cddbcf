-- Each handler has a row of its own for each outcome: one that fails is asked again alone.
-- handler '': announced, and not given out to the handlers yet. So is what an older version left.

ALTER TABLE reactions RENAME TO reactions_of_all;
DROP INDEX reactions_due;

CREATE TABLE reactions (
  submission_id TEXT NOT NULL,
  version       INTEGER NOT NULL,
  handler       TEXT NOT NULL,
  tries         INTEGER NOT NULL,
  due_ms        INTEGER NOT NULL,
  PRIMARY KEY (submission_id, version, handler)
) STRICT, WITHOUT ROWID;
CREATE INDEX reactions_due ON reactions (handler, due_ms);

INSERT INTO reactions SELECT submission_id, version, '', 0, 0 FROM reactions_of_all;
DROP TABLE reactions_of_all;
