-- What each gap touched, and what became of it.

-- When the first attempt possibly sent (or under way) began: from then to closed_ms a gap touches it.
ALTER TABLE submissions ADD COLUMN first_sent_ms INTEGER;
UPDATE submissions SET first_sent_ms = (
  SELECT value ->> '$.began_ms' FROM json_each(doc, '$.attempts')
  WHERE coalesce(value ->> '$.result.kind', 'none') NOT IN ('not_sent', 'throttled', 'refused')
  ORDER BY key LIMIT 1
);
CREATE INDEX submissions_touched ON submissions (closed_ms, first_sent_ms, outcome)
  WHERE first_sent_ms IS NOT NULL;

-- became: a JSON object, outcome to count. Both are set when the account is settled.
ALTER TABLE gaps ADD COLUMN became TEXT;
ALTER TABLE gaps ADD COLUMN settled_ms INTEGER;

-- What has ended long ago is settled here, for nobody waits for its line any more.
UPDATE gaps SET settled_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER), became = (
  SELECT json_group_object(outcome, n) FROM (
    SELECT outcome, count(*) AS n FROM submissions
    WHERE closed_ms >= gaps.start_ms AND first_sent_ms <= gaps.end_ms GROUP BY outcome
  )
) WHERE end_ms IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM submissions WHERE closed_ms IS NULL AND first_sent_ms <= gaps.end_ms
);
CREATE INDEX gaps_unsettled ON gaps (id) WHERE settled_ms IS NULL AND end_ms IS NOT NULL;
