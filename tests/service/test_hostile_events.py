"""A hostile or wrong event never changes a submission that it does not belong to.

Lanes in every state, whose codes are close to one another; an event that names one of them, or
what a careless reader could take for one, or nothing at all; through the real reading of frames,
the real ear, engine and journal. All that is kept of the other lanes stays as it was, to the byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from listener.core import correlation, standing
from listener.core.evidence import Heard
from listener.core.inputs import EventHeard
from listener.core.names import CvCode, Disposition, LanePolicy, Millis, State
from listener.core.policy import Policy
from listener.core.standing import in_late_window, owner_candidate, possibly_sent, refused
from listener.core.submission import Lane, Submission
from listener.core.transitions import decide
from listener.core.wire import check_code
from listener.core.wire import events as reading
from listener.service import ear
from tests.core.test_machine import LaneMachine
from tests.fuzz.ear import Ears, Event
from tests.fuzz.lane import seeds

from .bystanders import Outcome, heard_by, lived
from .strangers import BASES, Stranger, is_code, near, strangers

SENDING = b"\0\0\1\0"
AWAITING, IN_DOUBT = SENDING + b"\2\3", SENDING + b"\2\4"
AGAIN = IN_DOUBT + b"\5\6\6\0\4\0"
UNCONFIRMED = AWAITING + b"\6\2\4\3"
CONTENDED = UNCONFIRMED + b"\0\0\6\2\4\3\1\0\2\3"
BEGINNINGS = (
    *(b"\0\0", SENDING, SENDING + b"\3\0", SENDING + b"\2\0", SENDING + b"\3\0\2\2"),
    *(AWAITING, AWAITING + b"\0\0", IN_DOUBT, SENDING + b"\2\x43", AGAIN, AGAIN + b"\1\0"),
    *(AWAITING + b"\3\0", AWAITING + b"\3\0\3\0", UNCONFIRMED, UNCONFIRMED + b"\0\0\6\2\4\3"),
    *(CONTENDED, CONTENDED + b"\3\0", CONTENDED + b"\3\0\3\0"),
    *(b"\x09\0" + AWAITING, b"\x09\0" + AWAITING + b"\x09\1\6\2\4\3"),
)
"""Queued, sending, with an event held, not sent, contradicted; awaiting, one behind it, in doubt,
never to be sent again, to be sent again, sending again; closed in one way and another; contended,
without candidates and with; deaf."""

LIVES = (*BEGINNINGS * 4, *(seed[2:] for seed in seeds()))
LONGEST_MS = 90_000_000
"""Beyond every late window."""


@dataclass(frozen=True, slots=True)
class Scene:
    """``fast``: which path of the ear reads the frames."""

    lanes: dict[CvCode, LaneMachine]
    stranger: Stranger
    policy: Policy
    later_ms: int
    replayed: bool
    listening: bool
    fast: bool


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    base = draw(st.sampled_from(BASES))
    close = [text for text in near(base) if is_code(text)]
    codes = [base, *draw(st.lists(st.sampled_from(close), min_size=2, max_size=5, unique=True))]
    far = draw(st.sampled_from(BASES))
    codes += [far] if far not in codes else []
    policy = Policy(
        late_window_ms=draw(st.sampled_from([3_600_000, 86_400_000])),
        lane_policy=draw(st.sampled_from(LanePolicy)),
    )
    lanes = {}
    for place, code in enumerate(codes):
        steps = draw(st.sampled_from(LIVES)) + draw(st.just(b"") | st.binary(max_size=6))
        lanes[CvCode(code)] = lived(steps, policy, place)
    return Scene(
        lanes,
        draw(strangers(codes)),
        policy,
        draw(st.sampled_from([0, 1, 5_000, 3_600_000, LONGEST_MS])),
        *(draw(st.booleans()) for _ in range(3)),
    )


class Met:
    """What was met: states of lanes that were to stay as they are, and of those that were named;
    and what became of events."""

    def __init__(self) -> None:
        self.bystanders: Counter[State] = Counter()
        self.named: Counter[State] = Counter()
        self.changed = 0
        self.dispositions: Counter[str | None] = Counter()


def check(scene: Scene, ears: Ears, met: Met) -> None:
    """Raises AssertionError where anything else is changed than may be."""
    stranger = scene.stranger
    events = ears.hear(
        stranger.frames,
        fast=scene.fast,
        namespace=stranger.namespace,
        event=stranger.event,
        session=stranger.session,
    ).events
    codes = {event.code for event in events if event.code is not None}
    assert codes <= stranger.names, "read from a frame that does not name it"
    outcome = heard_by(
        scene.lanes,
        events,
        scene.policy,
        later_ms=scene.later_ms,
        replayed=scene.replayed,
        listening=scene.listening,
    )
    assert outcome.caused <= codes, "anything was done or said for another"
    for code in scene.lanes:
        submissions = outcome.before.lanes[code].lane.submissions
        if code in stranger.names:
            met.named.update(s.state for s in submissions)
            met.changed += outcome.before.lanes[code] != outcome.after.lanes[code]
            _by_the_rules(scene, code, events, outcome)
        else:
            met.bystanders.update(s.state for s in submissions)
            assert outcome.after.lanes[code] == outcome.before.lanes[code]
            assert outcome.after.rows[code] == outcome.before.rows[code]
    met.dispositions.update(disposition for _, disposition in outcome.inbox.values())


def _by_the_rules(scene: Scene, code: CvCode, events: Sequence[Event], outcome: Outcome) -> None:
    """Each event is given to its lane once, in order. It is kept by one submission at most: the one
    that it can own; and nothing else of the lane changes but what events it had before are of."""
    lane = outcome.before.lanes[code].lane
    for event, seq in zip(events, outcome.seqs, strict=True):
        if event.code != code or not outcome.before.lanes[code].version:
            continue
        heard = Heard(seq, outcome.at_ms, scene.replayed)
        given_it = EventHeard(outcome.at_ms, outcome.hearing, heard=heard)
        after = decide(lane, given_it, scene.policy)
        _kept_by_its_owner(lane, after.changed, heard, outcome.at_ms, scene.policy)
        # A lane whose submissions are all forgotten is none.
        lane = after.lane if after.lane.submissions else Lane()
        assert outcome.inbox[seq][1] == dict(after.dispositions)[seq]
    assert outcome.after.lanes[code].lane == lane


def _kept_by_its_owner(
    before: Lane, changed: Sequence[Submission], heard: Heard, at_ms: Millis, policy: Policy
) -> None:
    owner = owner_candidate(before)
    held_by = [s.id for s in changed if heard in (*s.held, *s.candidates, s.heard)]
    assert len(held_by) <= 1
    assert owner is None or held_by in ([owner.id], [])
    for submission in changed:
        old = next(s for s in before.submissions if s.id == submission.id)
        if owner is not None and old.id == owner.id:
            continue
        assert old.state is State.CLOSED, "open, and no event can be its own"
        assert possibly_sent(old) or refused(old), "closed, and never sent"
        assert in_late_window(old, at_ms, policy), "closed too long ago"
        assert owner is None or owner.candidates, "another's, and no other event was to be placed"
    if owner is not None and owner.state is State.SENDING:
        (after,) = changed
        assert after == replace(owner, held=(*owner.held, heard), version=owner.version + 1)


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.close()


def test_an_event_changes_nothing_that_it_does_not_name(ears: Ears) -> None:
    met = Met()

    @given(scenes())
    @settings(max_examples=max(150, settings().max_examples))
    def prove(scene: Scene) -> None:
        check(scene, ears, met)

    prove()
    # What a few scenes meet moves with all that is drawn from; the many meet all of it.
    assert set(met.bystanders) == set(State)
    assert len(met.named) >= len(State) - 1
    assert met.changed > 20
    assert {"confirmed", "held", "foreign", "malformed"} <= met.dispositions.keys()


@pytest.mark.prove
def test_more_events_change_nothing_that_they_do_not_name(ears: Ears) -> None:
    met = Met()

    @given(scenes())
    @settings(max_examples=max(2_000, settings().max_examples))
    def prove(scene: Scene) -> None:
        check(scene, ears, met)

    prove()
    assert set(met.named) == set(State)
    assert met.dispositions.keys() >= set(Disposition) - {Disposition.CONTRADICTION}


# ------------------------------------------------------------------- bugs that it must find

Vary = Callable[[str], str]


def _read_as(vary: Vary) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(
            reading,
            "check_code",
            lambda text: check_code(vary(text) if isinstance(text, str) else text),
        )

    return plant


def _the_inner_code_is_believed(patch: pytest.MonkeyPatch) -> None:
    real = reading._read_code
    patch.setattr(reading, "_read_code", lambda found: real(found[-1:]))


def _numbers_and_lists_are_codes_too(patch: pytest.MonkeyPatch) -> None:
    real = reading._read_code
    patch.setattr(
        reading,
        "_read_code",
        lambda found: real([v[0] if isinstance(v, list) and v else v for v in found]),
    )


def _a_run_of_events_is_one_lanes(patch: pytest.MonkeyPatch) -> None:
    real = ear.Hearer._correlate

    async def correlate(self: Any, code: CvCode, heard: Heard) -> None:
        await real(self, code, heard)
        for other in self._engine.watched()[:1]:
            await real(self, other, heard)

    patch.setattr(ear.Hearer, "_correlate", correlate)


def _an_event_owns_what_was_never_sent(patch: pytest.MonkeyPatch) -> None:
    def any_open(lane: Lane) -> Submission | None:
        return next(standing.open_submissions(lane), None)

    patch.setattr(correlation, "owner_candidate", any_open)


def _nothing_is_ever_too_late(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(correlation, "in_late_window", lambda *_: True)


PLANTS = {
    "letter case": _read_as(str.casefold),
    "blanks around it": _read_as(str.strip),
    "composed": _read_as(lambda text: normalize("NFC", text)),
    "compatible": _read_as(lambda text: normalize("NFKC", text)),
    "percent-decoded": _read_as(unquote),
    "up to a NUL": _read_as(lambda text: text.partition("\x00")[0]),
    "the first line": _read_as(lambda text: text.splitlines()[0] if text.strip() else text),
    "what cannot be seen": _read_as(lambda text: text.replace("\u200b", "").replace("\u200d", "")),
    "the inner of two": _the_inner_code_is_believed,
    "the first of a list": _numbers_and_lists_are_codes_too,
    "another lane's too": _a_run_of_events_is_one_lanes,
    "never sent": _an_event_owns_what_was_never_sent,
    "too late": _nothing_is_ever_too_late,
}


@pytest.mark.prove
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    @given(scenes())
    @settings(max_examples=1_000, phases=[Phase.generate])
    def prove(scene: Scene) -> None:
        check(scene, ears, Met())

    with pytest.raises((AssertionError, BaseExceptionGroup)):
        prove()
