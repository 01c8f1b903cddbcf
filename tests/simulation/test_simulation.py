"""The promises hold in simulated lives, a seed reproduces a life, and planted faults are seen."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from listener.core import correlation, draft, enquiry, sending, standing, transitions
from listener.core.names import Movement, State
from listener.core.submission import Lane, Submission
from listener.service import dispatcher, engine
from tests.fakes.journal_memory import MemoryJournal

from .invariants import summary, violations
from .play import play_seed
from .world import Life


def broken(seed: int) -> list[str]:
    life = play_seed(seed)
    return [f"{summary(life)}: {problem}" for problem in asyncio.run(violations(life))]


@pytest.mark.parametrize("block", range(10))
def test_promises_hold_in_two_hundred_lives(block: int) -> None:
    problems = [p for seed in range(block * 20, block * 20 + 20) for p in broken(seed)]
    assert not problems, "\n".join(problems)


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(8))
def test_promises_hold_in_two_thousand_lives(block: int) -> None:
    first = 1_000 + block * 250
    problems = [p for seed in range(first, first + 250) for p in broken(seed)]
    assert not problems, "\n".join(problems)


def story(life: Life) -> str:
    return "\n".join(f"{line.event} {line.fields}" for line in life.log.lines)


def test_a_seed_is_one_life() -> None:
    assert story(play_seed(11)) == story(play_seed(11))
    assert story(play_seed(11)) != story(play_seed(12))


def test_a_seed_is_one_life_in_another_process_with_another_hash_seed() -> None:
    program = (
        "import hashlib; from tests.simulation.play import play_seed;"
        "from tests.simulation.test_simulation import story;"
        "print(hashlib.sha256(story(play_seed(11)).encode()).hexdigest())"
    )

    def digest(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert digest("1") == digest("2")


def _resend_blindly(patch: pytest.MonkeyPatch) -> None:
    """Whatever the record says, it says "unmoved"."""
    for room in (enquiry, sending):
        patch.setattr(room, "movement_of", lambda *_: Movement.UNMOVED)


def _believe_every_event(patch: pytest.MonkeyPatch) -> None:
    """No event is ever somebody else's."""
    for room in (correlation, draft):
        patch.setattr(room, "contended", lambda *_: False)


def _lane_of_two(patch: pytest.MonkeyPatch) -> None:
    """Nothing of a lane is ever in flight, as far as sending asks."""
    patch.setattr(sending, "sendable", lambda lane, _: next(_queued(lane), None))
    patch.setattr(dispatcher, "sendable", lambda lane, _: next(_queued(lane), None))
    patch.setattr(transitions, "sendable", lambda lane, _: next(_queued(lane), None))


def _queued(lane: Lane) -> Iterator[Submission]:
    return (s for s in lane.submissions if s.state is State.QUEUED)


def _due_in_memory_alone(patch: pytest.MonkeyPatch) -> None:
    """The journal is told of no timer."""
    patch.setattr(engine, "due_ms", lambda *_: None)


def _forget_held(patch: pytest.MonkeyPatch) -> None:
    """What was heard during sending is dropped."""
    patch.setattr(sending, "apply_held", lambda _, owner: owner)


def _settle_at_once(patch: pytest.MonkeyPatch) -> None:
    """No settle period: what is not applied yet counts as never applied."""
    patch.setattr(enquiry, "_decide_doubt", _undoubting(enquiry._decide_doubt))
    patch.setattr(standing, "last_end_ms", lambda _: 0)


def _undoubting(real: Callable[..., None]) -> Callable[..., None]:
    def decide_doubt(draft: Any, owner: Any, moved: Any, read_ms: int) -> None:
        real(draft, owner, moved, max(read_ms, owner.settle_ms or 0))

    return decide_doubt


def _forget_crashed_attempts(patch: pytest.MonkeyPatch) -> None:
    """What was being sent when the process died is taken as not sent."""
    from listener.core import restart
    from listener.core.evidence import PostResult
    from listener.core.names import PostKind

    unsent = PostResult(PostKind.NOT_SENT, "crashed")
    patch.setattr(restart, "CRASHED", unsent)
    patch.setattr(restart, "doubt", lambda draft, over: sending.settle_attempt(draft, over, unsent))


def _lose_files_early(patch: pytest.MonkeyPatch) -> None:
    """The spool is never swept."""

    async def none(*_: object) -> list[str]:
        return []

    patch.setattr(MemoryJournal, "files_due", none)


@pytest.mark.parametrize(
    ("plant", "caught_by", "seed"),
    [
        (_resend_blindly, "I4", 0),
        (_believe_every_event, "I2", 38),
        (_lane_of_two, "lane:", 3),
        (_due_in_memory_alone, "I9", 1),
        (_forget_held, "emitted while we listened", 270),
        (_settle_at_once, "I4", 222),
        (_forget_crashed_attempts, "", 16),
        (_lose_files_early, "I10", 0),
    ],
)
def test_a_planted_fault_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None],
    caught_by: str,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a seed at or soon after the one that caught it first; without the fault all are fine."""
    assert not broken(seed)
    plant(monkeypatch)
    for tried in range(seed, seed + NEAR):
        try:
            problems = broken(tried)
        except Exception as error:  # noqa: BLE001  # a fault may also break the service outright
            problems = [f"the service fell over: {error!r}"]
        if any(caught_by in problem or "fell over" in problem for problem in problems):
            return
    pytest.fail(f"{plant.__name__} went unseen")


NEAR = 120
"""A change of the rules moves what each seed meets: the net has a width, not one mesh."""
