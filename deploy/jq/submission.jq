# Everything that was told of one update, in order: jq -nRcf submission.jq --arg id ID LOG
inputs | fromjson? | select(.submission_id == $id)
| del(.v, .service, .version, .run_id, .replica, .submission_id, .runbook)
