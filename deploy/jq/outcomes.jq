# How updates ended: each outcome, how many, and the part of all. A line that was told again counts once.
[inputs | fromjson? | select(.event == "submission.closed" and (.repeated | not)) | .outcome]
| length as $all
| group_by(.)[]
| {outcome: .[0], count: length, percent: (1000 * length / $all | round / 10)}
