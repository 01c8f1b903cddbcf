# Every update of one CV, and how each ended: jq -nRcf cv.jq --arg ref "$(cv-listener ref < code.txt)" LOG
inputs | fromjson? | select(.cv_ref == $ref and (.event | IN("submission.accepted", "submission.closed", "submission.corrected")))
| {timestamp, event, submission_id, outcome, reason, attribution}
