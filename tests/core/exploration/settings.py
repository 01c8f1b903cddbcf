"""What is explored: quickly in every test run, and further in the long proofs."""

from __future__ import annotations

from dataclasses import replace

from listener.core.names import LanePolicy
from listener.core.policy import Policy

from .world import POLICY, Setting

UPSTREAM = (
    *("not_sent", "throttled", "refused", "dropped", "not_dispatched", "later", "lost"),
    *("unreadable", "refused_and_applied", "late_application", "silent", "twice", "get"),
)
"""The upstream's own: how a POST ends, when it is applied, how often it emits, what a GET says."""

PACE = ("slow", "overslept", "race", "cancel")
"""Who comes first: the clock, an event that waits to be correlated, or the submitter's cancel."""

SOME = ("not_sent", "refused", "lost", "twice", "cancel")

WIDE = ("ear", "crash", "foreign")
"""Each can happen at any moment, and multiplies all the others."""

EVERY = (*UPSTREAM, *PACE, *WIDE, "clock")
"""``clock``: it is another after a crash."""


def setting(
    kinds: tuple[str, ...],
    faults: int,
    submissions: int = 1,
    policy: Policy = POLICY,
    *,
    paths: bool = True,
    late_faults: bool = False,
) -> Setting:
    """Each kind as often as it is named."""
    counted = tuple((kind, kinds.count(kind)) for kind in dict.fromkeys(kinds))
    return Setting(counted, faults, submissions, policy, paths, late_faults)


LONG_SETTLE = replace(POLICY, settle_ms=40_000)
BLIND = replace(POLICY, baseline=False)
LANES = {lane.value: replace(POLICY, lane_policy=lane) for lane in LanePolicy}

QUICK = {
    "one submission, any one fault, at any time": setting(EVERY, 1, late_faults=True),
    "one submission, any two faults but the wide ones": setting((*UPSTREAM, *PACE), 2),
    "one submission, deaf, and the upstream at fault": setting(("ear", *UPSTREAM), 2),
    "one submission, the settle period longer than the deadline": setting(
        (*UPSTREAM, "crash"), 1, policy=LONG_SETTLE
    ),
    "one submission, records without a distinguishing field": setting(EVERY, 1, paths=False),
    "one submission, readings switched off": setting(EVERY, 1, policy=BLIND),
    "two submissions, any one fault but the wide ones": setting((*UPSTREAM, *PACE), 1, 2),
    "two submissions, the second refused while the first is open": setting(
        SOME, 1, 2, LANES["reject"]
    ),
    "two submissions, the second replaces the first": setting(SOME, 1, 2, LANES["coalesce"]),
    "two submissions, two cancels": setting(("cancel", "cancel"), 2, 2),
}

LONG = {
    "one submission, any two faults": setting(EVERY, 2),
    "one submission, deaf, and any other fault": setting(("ear", *UPSTREAM, *PACE), 2),
    "one submission, any two faults, late ones too": setting(
        (*UPSTREAM, *PACE, "crash"), 2, late_faults=True
    ),
    "one submission, any three faults but the wide ones": setting((*UPSTREAM, *PACE), 3),
    **{
        f"two submissions, {name}, somebody else updates": setting(("foreign",), 1, 2, policy)
        for name, policy in LANES.items()
    },
    "two submissions, deaf": setting(("ear",), 1, 2),
    "two submissions, a crash": setting(("crash",), 1, 2),
    "two submissions, two faults": setting((*UPSTREAM, *PACE), 2, 2),
}

WALKED = setting(EVERY * 2, 8, 3, late_faults=True)
