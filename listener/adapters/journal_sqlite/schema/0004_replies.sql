-- The upstream's last reply to each open submission, as it came: it goes when that closes.

CREATE TABLE replies (
  submission_id TEXT PRIMARY KEY,
  attempt       INTEGER NOT NULL,
  status        INTEGER NOT NULL,
  reason        TEXT NOT NULL,
  headers       TEXT NOT NULL,   -- a JSON array of [name, value]
  body          BLOB NOT NULL
) STRICT, WITHOUT ROWID;
