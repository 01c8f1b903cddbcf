# How updates ended: each outcome, how many, and the part of all. The newest word on each that closed in this log.
[inputs | fromjson? | select(.event == "submission.closed" or .event == "submission.corrected")]
| group_by(.submission_id)
| map(select(any(.event == "submission.closed")) | max_by(.submission_version) | .outcome)
| length as $all
| group_by(.)[]
| {outcome: .[0], count: length, percent: (1000 * length / $all | round / 10)}
