# The ten slowest confirmations, late ones too.
[inputs | fromjson? | select((.event == "submission.closed" or .event == "submission.corrected") and .confirm_ms != null)]
| group_by(.submission_id) | map(max_by(.submission_version))
| sort_by(-.confirm_ms)[:10][]
| {timestamp, submission_id, cv_ref, confirm_ms, post_ms, queued_ms, attempts}
