-- What listings are searched by, beside state and outcome.

ALTER TABLE submissions ADD COLUMN attribution TEXT;
ALTER TABLE submissions ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN retry_of TEXT;
UPDATE submissions SET attribution = doc ->> '$.attribution',
  late = coalesce(doc ->> '$.late', 0), retry_of = doc ->> '$.retry_of';

-- Of a page that is wanted newest first, few are late or contended: those alone are indexed.
CREATE INDEX submissions_late ON submissions (id) WHERE late = 1;
CREATE INDEX submissions_contended ON submissions (id) WHERE attribution = 'contended';
CREATE INDEX submissions_retries ON submissions (retry_of, id) WHERE retry_of IS NOT NULL;
CREATE INDEX submissions_created ON submissions (created_ms, id);

-- By which refs a code is known: one for each key that was in use while it was kept.
CREATE TABLE refs (
  ref  TEXT NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (ref, code)
) STRICT, WITHOUT ROWID;
CREATE INDEX refs_of_code ON refs (code);
