# Each time without a subscription: until when, for how long, why, and how many waited in it.
inputs | fromjson? | select(.event == "subscription.restored")
| {until: .timestamp, deaf_ms: .duration_ms, reason, recovered, gap_reason, touched}
