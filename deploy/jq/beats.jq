# How it fared, beat by beat, as a table: time, connected, open, oldest wait, commits' and loop's worst, lines lost.
["timestamp", "connected", "open", "oldest_wait_ms", "fsync_p99_ms", "loop_lag_ms", "dropped_lines"],
(inputs | fromjson? | select(.event == "daemon.heartbeat")
 | [.timestamp, .connected, ([.open_by_state[]?] | add // 0), .oldest_wait_ms, .fsync_p99_ms, .loop_lag_ms, .dropped_lines])
| @tsv
