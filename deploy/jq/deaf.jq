# Each time without a subscription: from when until when, for how long, why, and how many waited in it.
inputs | fromjson? | select(.event == "subscription.restored")
| {since, until: (.until // .timestamp), deaf_ms: .duration_ms, reason, recovered, gap_reason, touched}
