# Lines of warning and above: each event, how many, when last, and what to do.
[inputs | fromjson? | select(.level | IN("warning", "error", "critical"))]
| group_by(.event)
| map({event: .[0].event, level: .[-1].level, count: length, last: (map(.timestamp) | max), hint: .[-1].hint})
| sort_by(-.count)[]
