"""Fifteen behaviours of the upstream, over real sockets: each update ends as the ledger allows, and
none is sent once too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.upstream_http import HttpUpstream
from listener.core import enquiry, sending
from listener.core.draft import Draft
from listener.core.evidence import PostResult
from listener.core.names import Movement, PostKind
from listener.core.wire import replies
from listener.emulator.plan import Plan

from .behaviours import BEHAVIOURS, FEW, MANY, Behaviour, Pace, play, play_all


async def _all_hold(updates: int, pace: Pace, folder: Path) -> None:
    played = await play_all(updates, pace, folder)
    assert [f"{one.behaviour.name}: {what}" for one in played for what in one.broken] == []
    assert {one.behaviour.name: one.ends for one in played} == {
        one.behaviour.name: one.wanted for one in played
    }
    assert sum(one.too_many for one in played) == 0


async def test_five_updates_under_each_behaviour(tmp_path: Path) -> None:
    assert len(BEHAVIOURS) == 15
    await _all_hold(5, FEW, tmp_path)


@pytest.mark.prove
async def test_fifty_updates_under_each_behaviour(tmp_path: Path) -> None:
    await _all_hold(50, MANY, tmp_path)


# ------------------------------------------------------------------- bugs that the judge must see

Plant = Callable[[pytest.MonkeyPatch], None]


def _what_moved_is_taken_for_unmoved(patch: pytest.MonkeyPatch) -> None:
    for room in (enquiry, sending):
        real: Any = room.movement_now
        patch.setattr(room, "movement_now", lambda s, r, real=real: _unmoved(real(s, r)))


def _unmoved(moved: Movement) -> Movement:
    return Movement.UNMOVED if moved is Movement.MOVED else moved


def _what_was_sent_is_taken_for_unsent(patch: pytest.MonkeyPatch) -> None:
    _change_results(patch, PostKind.POSSIBLY_SENT, kind=PostKind.NOT_SENT)


def _an_unreadable_success_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    _change_results(patch, PostKind.POSSIBLY_SENT, resendable=True)


def _change_results(patch: pytest.MonkeyPatch, of: PostKind, **changes: Any) -> None:
    real = HttpUpstream.post_update

    async def post_update(self: HttpUpstream, *given: Any, **named: Any) -> PostResult:
        result = await real(self, *given, **named)
        return replace(result, **changes) if result.kind is of else result

    patch.setattr(HttpUpstream, "post_update", post_update)


def _a_further_event_changes_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "contend", lambda *given: None)


def _nobody_reads_retry_after(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replies, "retry_after_ms", lambda *given: None)


def _an_event_that_was_held_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sending, "apply_held", lambda draft, owner: owner)


SILENT_500 = Behaviour(
    "500, applied, and no event",
    ("unconfirmed, 1 POST, indicated",),
    lambda number: (Plan(answer="error", events=0),),
    events=0,
)
NAMED = {behaviour.name: behaviour for behaviour in (*BEHAVIOURS, SILENT_500)}


@pytest.mark.prove
@pytest.mark.parametrize(
    ("plant", "name", "said"),
    [
        (_what_moved_is_taken_for_unmoved, SILENT_500.name, "sent again after it was applied"),
        (_what_was_sent_is_taken_for_unsent, "reset, not applied", "was not read unmoved"),
        (_what_was_sent_is_taken_for_unsent, "500, applied", "sent again after it was applied"),
        (
            _an_unreadable_success_is_sent_again,
            "unreadable 200, applied or not",
            "sent again after it was answered 200",
        ),
        (_a_further_event_changes_nothing, "event three times", "it should be contended"),
        (_nobody_reads_retry_after, "429", "sent again after 1"),
        (_an_event_that_was_held_is_forgotten, "event before the reply", "1 events went out"),
    ],
)
async def test_a_planted_bug_is_seen(
    plant: Plant, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sound").mkdir()
    sound = await play(NAMED[name], 2, FEW, tmp_path / "sound")
    assert (sound.broken, sound.ends) == ([], sound.wanted)
    plant(monkeypatch)
    (tmp_path / "hurt").mkdir()
    # However slow the machine: what is sent again at once is not taken for settled.
    hurt = await play(NAMED[name], 2, replace(FEW, settle_s=10.0), tmp_path / "hurt")
    assert any(said in problem for problem in hurt.broken), hurt
