# What wants a person: each update that is not confirmed, nor sent again and settled by that; why, and what to do.
[inputs | fromjson? | select(.event == "submission.closed" or .event == "submission.corrected")]
| group_by(.submission_id)
| map(max_by(.submission_version))
| (map(select(.retry_of != null)) | group_by(.retry_of) | map({key: .[0].retry_of, value: .}) | from_entries) as $again
| def settled: any($again[.submission_id][]?; (.outcome | IN("confirmed", "presumed")) or settled);
  .[]
| select((.outcome | IN("unconfirmed", "not_dispatched", "rejected", "undelivered")) and (settled | not))
| {timestamp, submission_id, cv_ref, outcome, reason, hint}
