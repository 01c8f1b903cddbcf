# Lines of warning and above, the gravest first: each event at each level, how many, when last, and what to do.
[inputs | fromjson? | select(.level | IN("warning", "error", "critical"))]
| group_by([.event, .level])
| map(max_by(.timestamp) + {count: length} | {event, level, count, last: .timestamp, hint})
| sort_by([(.level as $level | ["critical", "error", "warning"] | index($level)), -.count])[]
