# Each run of the process: its first and last line, how it ended, and why, where it could say so.
[inputs | fromjson? | select(.run_id != null)]
| group_by(.run_id)
| map({run_id: .[0].run_id, version: .[0].version, first: .[0].timestamp, last: .[-1].timestamp,
       ended: (if any(.event == "daemon.stopped") then "in order"
               elif any(.event == "daemon.failed") then "failed" else "killed, or still running" end),
       error: (map(select(.event == "daemon.failed") | .error) | first)})
| sort_by(.first)[]
