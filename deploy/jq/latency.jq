# How long confirmations took, late ones too: how many, and the 50th, 90th and 99th percentile, in milliseconds.
[inputs | fromjson? | select(.event == "submission.closed" or .event == "submission.corrected")]
| group_by(.submission_id)
| map(select(any(.event == "submission.closed")) | max_by(.submission_version)
      | select(.outcome == "confirmed" and .confirm_ms != null) | .confirm_ms)
| sort
| def percentile($p): .[(length - 1) * $p / 100 | floor];
  if length == 0 then {count: 0}
  else {count: length, p50: percentile(50), p90: percentile(90), p99: percentile(99), most: .[-1]}
  end
