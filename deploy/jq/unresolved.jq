# What wants a person: each update that is not confirmed, why, and what to do. The newest word on each.
[inputs | fromjson? | select(.event == "submission.closed" or .event == "submission.corrected")]
| group_by(.submission_id)[]
| max_by(.submission_version)
| select(.outcome | IN("unconfirmed", "not_dispatched", "rejected", "undelivered"))
| {timestamp, submission_id, cv_ref, outcome, reason, hint}
