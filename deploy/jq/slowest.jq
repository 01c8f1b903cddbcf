# The ten slowest confirmations.
[inputs | fromjson? | select(.event == "submission.closed" and .confirm_ms != null)]
| sort_by(-.confirm_ms)[:10][]
| {timestamp, submission_id, cv_ref, confirm_ms, post_ms, queued_ms, attempts}
