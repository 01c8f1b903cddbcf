# How requests to the upstream ended: by result, detail and status, with the slowest of each.
[inputs | fromjson? | select(.event == "attempt.ended")]
| group_by([.result, .detail, .http_status])[]
| {result: .[0].result, detail: .[0].detail, http_status: .[0].http_status, count: length, most_ms: (map(.duration_ms // 0) | max)}
