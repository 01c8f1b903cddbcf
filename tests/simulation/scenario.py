"""What a seed stands for: which faults there are in its world, and how many."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from listener.core.names import LanePolicy
from listener.core.policy import Policy

from .upstream import Odds

POINTS = (
    "spool: taken",
    "spool: removed",
    "disk: before a commit",
    "disk: committed, not answered",
    "log: daemon.drain_started",
    "log: attempt.began",
    "log: attempt.ended",
    "log: submission.accepted",
    "log: submission.closed",
    "log: submission.corrected",
    "log: submission.requeued",
    "log: event.correlated",
    "log: record.enquired",
    "log: lane.rested",
    "log: lane.released",
    "log: subscription.lost",
    "log: subscription.restored",
    "post: begun",
    "post: answered",
    "record: read",
    "handler: called",
    "handler: done",
    "start: journal open",
    "start: recovered",
)
"""Where a process may be made to die. Each is counted, passed and died at."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world. ``doomed``: chance that a process dies at a named point; ``kills``: at any time.
    ``stops``: by SIGTERM. ``stalls``: the loop is blocked. ``disk_faults``: of a commit."""

    seed: int
    odds: Odds
    policy: Policy
    recovery: bool
    codes: int
    submissions: int
    kills: int
    doomed: float
    stops: int
    disk_faults: int
    cuts: int
    outages: int
    cancels: int
    foreign: int
    stalls: int
    busy_s: float
    clock_jumps: bool
    slow_disk: bool
    bad_handlers: float


def scenario(seed: int) -> Scenario:
    """Draw a world. Every fault is likely in some, and each is absent from some."""
    rng = random.Random(seed)

    def odds(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

    drawn = Scenario(
        seed=seed,
        odds=Odds(
            not_sent=odds(0.3),
            throttled=odds(0.2),
            refused=odds(0.1),
            lost_reply_applied=odds(0.3),
            lost_reply_unapplied=odds(0.3),
            applied_late=odds(0.2),
            not_dispatched=odds(0.1),
            unavailable=odds(0.2),
            silent=odds(0.2),
            twice=odds(0.2) if rng.random() < 0.3 else 0.0,
            early_event=odds(0.8),
            get_fails=odds(0.4),
            slow_event=odds(0.6),
        ),
        policy=Policy(
            give_up_after_ms=600_000,
            deliver_within_ms=1_200_000,
            late_window_ms=1_800_000,
            keep_unresolved_ms=60_000,
            lane_policy=rng.choice([*LanePolicy, LanePolicy.QUEUE]),
        ),
        recovery=rng.random() < 0.5,
        codes=rng.randint(1, 8),
        submissions=rng.randint(4, 20),
        kills=rng.choice([0, 0, 1, 2]),
        doomed=rng.choice([0.0, 0.0, 0.4, 0.8]),
        stops=rng.choice([0, 0, 1]),
        disk_faults=rng.choice([0, 0, 0, 1, 2]),
        cuts=rng.choice([0, 1, 3, 8]),
        outages=rng.choice([0, 0, 1, 2]),
        cancels=rng.choice([0, 0, 3]),
        foreign=rng.choice([0, 0, 0, 3]),
        stalls=rng.choice([0, 0, 2]),
        busy_s=rng.choice([60.0, 600.0, 1500.0]),
        clock_jumps=rng.random() < 0.3,
        slow_disk=rng.random() < 0.3,
        bad_handlers=odds(0.5),
    )
    if not drawn.clock_jumps:
        return drawn
    # A clock set forward beyond the late window forgets what it forgets: told in decision 3.
    return replace(drawn, policy=replace(drawn.policy, late_window_ms=6 * 3_600_000))
