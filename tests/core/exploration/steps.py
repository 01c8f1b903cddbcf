"""The interpreter of the model: one input, decided, committed and turned into what is under way."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from listener.core.effects import Dispatch, Enquire, Post
from listener.core.names import SubmissionId
from listener.core.standing import sendable
from listener.core.submission import Lane
from listener.core.transitions import Decision, Given, decide

from . import promises
from .world import Setting, World, distilled, distilled_gaps, horizon

Decided = tuple[Decision, Lane]

REMEMBERED = 50_000
"""Decisions kept: the same lane meets the same input in many worlds."""


class Ledger:
    """What an exploration met beside the worlds, and the decisions it met again and again."""

    def __init__(self, setting: Setting) -> None:
        self.pairs: set[promises.Pair] = set()
        self.excused: Counter[str] = Counter()
        self._setting = setting
        self.decided = lru_cache(maxsize=REMEMBERED)(self._decide)

    def _decide(self, lane: Lane, given: Given) -> Decided:
        """Decide, and hold the decision against all promises that need no truth."""
        decision = decide(lane, given, self._setting.policy)
        self.pairs |= promises.of_step(lane, self._setting, given, decision)
        since = horizon(self._setting, decision.lane, given.at_ms)
        return decision, distilled(decision.lane, since)


def give(world: World, setting: Setting, given: Given, ledger: Ledger) -> tuple[World, Decision]:
    """Decide one input and hold the decision against the promises. What an effect asks for is
    under way afterwards, and lost if the process dies before it."""
    decision, lane = ledger.decided(world.lane, given)
    since = horizon(setting, lane, world.now)
    after = world._replace(lane=lane, gaps=distilled_gaps(world.gaps, lane, world.now, since))
    for effect in decision.effects:
        match effect:
            case Dispatch():
                after = offer(after, effect.submission_id, effect.not_before_ms)
            case Enquire():
                after = enquire(after)
            case Post():
                after = after._replace(post=(effect.submission_id, effect.attempt))
    promises.of_truth(after, setting, decision, ledger.excused)
    return after, decision


def enquire(world: World) -> World:
    """As the enquirer takes it: one GET of a lane at a time, one more at most in wait."""
    if world.get is not None:
        return world._replace(asked=True)
    return world._replace(get=(world.now, world.path))


def offer(world: World, submission_id: SubmissionId, not_before_ms: int) -> World:
    """As the dispatcher takes it: nothing while it works on this lane, the earlier one kept."""
    if world.baselined or world.post or world.flying:
        return world
    if world.offer and world.offer[0] == submission_id and world.offer[1] <= not_before_ms:
        return world
    return world._replace(offer=(submission_id, not_before_ms))


def served(world: World, refusal: str | None, submission_id: SubmissionId) -> World:
    """The dispatcher is done with the lane: what became sendable meanwhile is offered now."""
    ready = sendable(world.lane, world.now)
    if ready is None or (refusal == "too_late" and ready.id == submission_id):
        return world
    return offer(world, ready.id, world.now)
