"""What a seed stands for: which faults there are in its world, and how many."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from listener.core.names import LanePolicy
from listener.core.policy import Policy

POINTS = (
    "start: journal open",
    "log: journal.recovered",
    "spool: taken",
    "spool: removed",
    "disk: before a commit",
    "disk: committed, not answered",
    "disk: answered",
    "post: begun",
    "post: answered",
    "record: read",
    "handler: called",
    "handler: done",
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
    "log: gap.settled",
)
"""Where a process may be made to die. Each is counted, passed and died at."""

POST_FAULTS = (
    *("not_sent", "connect_timeout", "body_cut", "reset_mid_body", "early_413"),
    *("throttled_bare", "throttled_5s", "throttled_date", "refused", "unprocessable"),
    *("lost_reply_applied", "lost_reply_unapplied", "applied_late", "hang_before", "hang_after"),
    *("hang_applied_late", "timed_out", "timed_out_applied", "error_before", "error_after"),
    *("gateway_timeout", "gateway_timeout_applied", "unavailable_bare", "unavailable_3s"),
    *("unavailable_applied", "unreadable", "unreadable_unapplied", "truncated_reply"),
    *("slow_reply", "bare_reply", "not_dispatched", "redirect", "status_error", "close_after"),
    # The hardest, more often.
    *("applied_late", "hang_applied_late", "lost_reply_applied", "lost_reply_applied"),
)
LIES = ("refused_applied", "status_error_applied", "foreign_before", "foreign_after")
"""Faults after which no listener could tell the truth, or that are somebody else's updates."""

EVENT_FAULTS = (
    *("silent", "twice", "slow_event", "early_event", "malformed_event", "hostile_chaff"),
    *("wrapped_event", "full_event", "job_failed", "slow_event", "silent"),
)
READ_FAULTS = (
    *("get_refused", "get_reset", "get_hang", "get_error", "get_slow", "get_endless"),
    *("get_truncated", "get_unreadable", "get_status_error", "get_throttled", "get_not_found"),
    *("get_without_path", "get_without_status"),
)
HANDSHAKES = (
    *("refused", "reset", "http_503", "http_401", "silent", "garbage", "unauthorized", "old"),
    *("no_answer", "cut_in_replay", "choke_in_replay"),
)

CROWDED = 0.05
"""How many worlds have one code alone, whose updates come one right after the other and are told of
twice or never: each of them may be taken for the next."""

BELIED = 0.03
"""How many worlds have an upstream that refuses much of what it applies, and tells of it soon after
its answer: what is heard then belies the refusal."""

FRAIL = 0.1
"""How many worlds have sessions that can be recovered, and either processes that die all the time
or lines that are cut or fall silent: what is said of an offset or a session is put to the test."""

Odds = Mapping[str, float]


def draw(odds: Odds, rng: random.Random) -> str | None:
    """One name of ``odds``, or None: all of them together are less than certain."""
    point = rng.random()
    for name, chance in odds.items():
        point -= chance
        if point < 0:
            return name
    return None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world. Odds are of each POST, event, reading and handshake. ``doomed``: chance that a
    process dies at a named point; ``kills``: at any time; ``stops``: by SIGTERM. ``stalls``: the
    loop is blocked. ``disk_faults``: of a commit. ``half_open``: connections that say nothing more.
    ``queue_limit``: events that the ear holds. ``joins``: subscribing takes an emit. ``rushes``:
    updates that come all at once, and for a while the upstream asks for quiet."""

    seed: int
    posts: Odds
    events: Odds
    reads: Odds
    handshakes: Odds
    policy: Policy
    recovery: bool
    acks: bool
    joins: bool
    fast_path: bool
    queue_limit: int
    codes: int
    submissions: int
    kills: int
    doomed: float
    stops: int
    disk_faults: int
    cuts: int
    half_open: int
    kicks: int
    bursts: int
    outages: int
    cancels: int
    foreign: int
    stalls: int
    busy_s: float
    clock_jumps: bool
    slow_disk: bool
    bad_handlers: float
    deafens: int
    rushes: int


def scenario(seed: int) -> Scenario:
    """Draw a world. Every fault is likely in some, and each is absent from some."""
    rng = random.Random(seed)
    posts = _odds(rng, POST_FAULTS, 6, 0.7)
    if rng.random() < 0.1:
        posts = {**posts, rng.choice(LIES): 0.1}
    drawn = Scenario(
        seed=seed,
        posts=posts,
        events=_odds(rng, EVENT_FAULTS, 3, 0.6),
        reads=_odds(rng, READ_FAULTS, 3, 0.5),
        handshakes=_odds(rng, HANDSHAKES, 3, 0.5),
        policy=Policy(
            give_up_after_ms=600_000,
            deliver_within_ms=1_200_000,
            late_window_ms=1_800_000,
            keep_unresolved_ms=60_000,
            lane_policy=rng.choice([*LanePolicy, LanePolicy.QUEUE]),
            baseline=rng.random() < 0.9,
        ),
        recovery=rng.random() < 0.6,
        acks=rng.random() < 0.1,
        joins=rng.random() < 0.2,
        fast_path=rng.random() < 0.7,
        queue_limit=rng.choice([3, 10_000, 10_000]),
        codes=rng.randint(1, 8),
        submissions=rng.randint(4, 20),
        kills=rng.choice([0, 0, 1, 2]),
        doomed=rng.choice([0.0, 0.4, 0.9]),
        stops=rng.choice([0, 0, 1]),
        disk_faults=rng.choice([0, 0, 0, 1, 2]),
        cuts=rng.choice([0, 1, 3, 8]),
        half_open=rng.choice([0, 0, 1, 2]),
        kicks=rng.choice([0, 0, 2]),
        bursts=rng.choice([0, 0, 0, 2]),
        outages=rng.choice([0, 0, 1, 2]),
        cancels=rng.choice([0, 0, 3]),
        foreign=rng.choice([0, 0, 0, 3]),
        stalls=rng.choice([0, 0, 2]),
        busy_s=rng.choice([60.0, 600.0, 1500.0]),
        clock_jumps=rng.random() < 0.3,
        slow_disk=rng.random() < 0.3,
        bad_handlers=rng.choice([0.0, rng.uniform(0, 0.5)]),
        deafens=rng.choice([0, 0, 0, 1, 2]),
        rushes=rng.choice([0, 0, 0, 1, 2]),
    )
    if random.Random(f"crowd-{seed}").random() < CROWDED:
        drawn = replace(
            drawn,
            policy=replace(drawn.policy, lane_policy=LanePolicy.QUEUE),
            events={"twice": 0.4, "silent": 0.3},
            codes=1,
            submissions=20,
            busy_s=60.0,
        )
    if random.Random(f"belied-{seed}").random() < BELIED:
        posts, events = {"refused_applied": 0.5}, {"slow_event": 0.7}
        drawn = replace(drawn, posts=posts, events=events, codes=8, clock_jumps=False, foreign=0)
    frail = random.Random(f"frail-{seed}")
    if frail.random() < FRAIL:
        drawn = replace(drawn, recovery=True, acks=False, handshakes={}, events={}, outages=0)
        drawn = replace(drawn, submissions=20, busy_s=600.0, clock_jumps=False)
        if frail.random() < 0.5:
            drawn = replace(drawn, posts={}, doomed=0.9, kills=6, disk_faults=8, cuts=8)
        else:
            drawn = replace(drawn, kills=1, cuts=20, half_open=10)
    if not drawn.clock_jumps:
        return drawn
    # A clock set forward beyond the late window forgets what it forgets: told in decision 3.
    return replace(drawn, policy=replace(drawn.policy, late_window_ms=6 * 3_600_000))


def _odds(rng: random.Random, names: Sequence[str], kinds: int, chance: float) -> Odds:
    """Up to ``kinds`` of the names, which together happen with up to ``chance``."""
    chosen = rng.sample(names, rng.randint(0, kinds))
    return {name: rng.uniform(0, chance) / len(chosen) for name in chosen}
