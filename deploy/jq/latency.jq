# How long confirmations took: how many, and the 50th, 90th and 99th percentile, in milliseconds.
[inputs | fromjson? | select(.event == "submission.closed" and (.repeated | not) and .confirm_ms != null) | .confirm_ms]
| sort
| def percentile($p): .[(length - 1) * $p / 100 | floor];
  if length == 0 then {count: 0}
  else {count: length, p50: percentile(50), p90: percentile(90), p99: percentile(99), most: .[-1]}
  end
