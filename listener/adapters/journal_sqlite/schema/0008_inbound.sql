-- Events other than cv_updated, once for each function that is still to take it. Deleted with that:
-- a payload may hold secrets. numbers 'inbound': the last sequence given.
CREATE TABLE inbound (
  id       INTEGER PRIMARY KEY,
  handler  TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  event    TEXT NOT NULL,
  heard_ms INTEGER NOT NULL,
  replayed INTEGER NOT NULL,
  tries    INTEGER NOT NULL,
  due_ms   INTEGER NOT NULL,
  payload  TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbound_in_order ON inbound (handler, sequence);
CREATE INDEX inbound_by_age ON inbound (heard_ms);

INSERT INTO numbers VALUES ('inbound', 0);
