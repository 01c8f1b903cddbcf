"""The settings that decisions depend on, as plain numbers. Defaults are DESIGN's."""

from __future__ import annotations

from dataclasses import dataclass

from .names import LanePolicy


@dataclass(frozen=True, slots=True)
class Policy:
    """All durations in milliseconds."""

    confirm_timeout_ms: int = 30_000
    settle_ms: int = 30_000
    give_up_after_ms: int = 3_600_000
    deliver_within_ms: int = 86_400_000
    late_window_ms: int = 86_400_000
    keep_unresolved_ms: int = 86_400_000
    lane_policy: LanePolicy = LanePolicy.QUEUE
    max_attempts: int = 3
    """Attempts possibly sent, all told."""
    enquiries_ms: tuple[int, ...] = (2_000, 5_000, 15_000)
    baseline: bool = True
    backoff_first_ms: int = 1_000
    backoff_cap_ms: int = 60_000
    retry_after_cap_ms: int = 300_000
    """The longest quiet that the upstream is granted, whatever it asks for."""

    def backoff_ms(self, failures: int) -> int:
        """Capped doubling: the wait after ``failures`` (1 or more) in a row. Jitter is I/O's."""
        return int(min(self.backoff_cap_ms, self.backoff_first_ms * 2 ** min(failures - 1, 30)))
