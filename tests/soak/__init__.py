"""The real process through an hour of mixed faults (``make soak MINUTES=60``): what its log alone
tells, held against the upstream's ledger."""
