"""DESIGN's promises and invariants, held against the truth that only the model knows.

What no rule can close is not a promise. Such a schedule is an *excuse*: it is named, its
precondition is checked here, and it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from listener.core.effects import Post
from listener.core.facts import SubmissionClosed
from listener.core.inputs import EventHeard, TimePassed
from listener.core.names import (
    Attribution,
    Disposition,
    Millis,
    Movement,
    Outcome,
    State,
    SubmissionId,
)
from listener.core.standing import (
    IN_FLIGHT,
    borne_out,
    due_ms,
    first_sent,
    movement_of,
    owner_candidate,
    possibly_sent,
    unresolved,
)
from listener.core.submission import Lane, Submission
from listener.core.transitions import Decision, Given, decide
from listener.core.view import waiting_for

from .world import FOREIGN, Setting, World

Pair = tuple[str | None, str, str]
"""(state before, input, state after)."""


class Broken(AssertionError):
    """A promise does not hold. ``story``: the moves that led there, filled in by the explorer."""

    def __init__(self, promise: str) -> None:
        super().__init__(promise)
        self.promise = promise
        self.story: list[str] = []

    def __str__(self) -> str:
        return "\n  ".join([self.promise, *self.story])


def require(holds: bool, promise: str) -> None:
    """Raise ``Broken`` unless it holds."""
    if not holds:
        raise Broken(promise)


# -------------------------------------------------------------------------- of one step


def of_step(lane: Lane, setting: Setting, given: Given, decision: Decision) -> set[Pair]:
    """What one decision must keep, whatever the truth is. Returns the rows of the table it took."""
    old = {s.id: s for s in lane.submissions}
    pairs: set[Pair] = set()
    for now in decision.changed:
        was = old.get(now.id)
        expected = 1 if was is None else was.version + 1
        require(now.version == expected, f"version: {now.version} after {expected - 1}")
        pairs.add((was.state.value if was else None, type(given).__name__, now.state.value))
    _closes_once(old, decision)
    flying = [s for s in decision.lane.submissions if s.state in IN_FLIGHT]
    require(len(flying) <= 1, f"lane: {len(flying)} in flight at once")
    owner, rests = owner_candidate(decision.lane), decision.lane.rest_until_ms is not None
    require(owner is None or not rests, "lane: it rests, and one possibly sent is open")
    for submission in decision.lane.submissions:
        waiting = waiting_for(submission, decision.lane, given.at_ms)
        waits = submission.state is not State.CLOSED
        require((waiting is not None) == waits, "I1: it waits, and does not say for what")
    _posts(decision, setting)
    if isinstance(given, TimePassed):
        _time_moves_on(decision.lane, given.at_ms, setting)
    if isinstance(given, EventHeard):
        _heard_once(old, given, decision, setting)
    _held_are_kept(old, decision)
    _forgotten_in_time(old, given, decision, setting)
    return pairs


def _forgotten_in_time(
    old: Mapping[SubmissionId, Submission], given: Given, decision: Decision, setting: Setting
) -> None:
    kept = {s.id for s in decision.lane.submissions}
    gone = {**old, **{s.id: s for s in decision.changed}}.values()
    for submission in (s for s in gone if s.id not in kept):
        require(submission.closed_ms is not None, "I1: an open submission is forgotten")
        until = (submission.closed_ms or 0) + setting.policy.late_window_ms
        sent = possibly_sent(submission)
        require(not sent or given.at_ms >= until, "forgotten while an event may still come for it")


def _closes_once(old: Mapping[SubmissionId, Submission], decision: Decision) -> None:
    told = Counter(f.submission_id for f in decision.facts if isinstance(f, SubmissionClosed))
    closing = Counter(
        s.id
        for s in decision.changed
        if s.state is State.CLOSED and (s.id not in old or old[s.id].state is not State.CLOSED)
    )
    require(told == closing, f"I7: closed {dict(closing)}, told {dict(told)}")


def _posts(decision: Decision, setting: Setting) -> None:
    """I3, and I4 as far as the lane's own memory tells: what was read, and when."""
    for effect in decision.effects:
        if not isinstance(effect, Post):
            continue
        submission = next(s for s in decision.lane.submissions if s.id == effect.submission_id)
        *earlier, now = submission.attempts
        sent = [attempt for attempt in earlier if attempt.possibly_sent]
        require(submission.accepted_ms is None, "I3: sent again after it was accepted")
        answered = all(a.result is None or a.result.resendable for a in earlier)
        require(answered, "sent again after an answer that could not be read")
        if not sent:
            continue
        first, last = sent[0].baseline, sent[-1]
        reading = now.baseline
        settled = (last.ended_ms or 0) + setting.policy.settle_ms
        require(
            first is not None
            and reading is not None
            and reading.known
            and reading.path_digest is not None
            and reading.path_digest == first.path_digest,
            "I4: sent again, and the record was not known to be unmoved",
        )
        require(
            reading is not None and reading.read_ms >= settled,
            "I4: sent again on a reading from before the settle period's end",
        )
        limit = setting.policy.max_attempts
        require(len(sent) < limit, f"more than {limit} attempts possibly sent")


def _lane_has_rested(lane: Lane, sending: Submission, setting: Setting) -> None:
    """Rule 1: a settle period after the close of any that is unresolved, nothing is sent; save for
    one that was surely applied, of which nothing but an event can come."""
    began = sending.attempts[-1].began_ms
    for other in lane.submissions:
        resolved = borne_out(other) or not unresolved(other, began, setting.policy)
        if not resolved and other.closed_ms is not None:
            rested = began >= other.closed_ms + setting.policy.settle_ms
            require(rested, "sent while the lane should rest")


def _time_moves_on(lane: Lane, at_ms: Millis, setting: Setting) -> None:
    due = due_ms(lane, at_ms, setting.policy)
    require(due is None or due > at_ms, "a timer spins: due again at once")


def _heard_once(
    old: Mapping[SubmissionId, Submission], given: EventHeard, decision: Decision, setting: Setting
) -> None:
    known = {
        h.seq
        for s in old.values()
        for h in (*s.held, *s.candidates, *(() if s.heard is None else (s.heard,)))
    }
    disposed = {seq for seq, _ in decision.dispositions}
    require(
        given.heard.seq in disposed or given.heard.seq in known,
        "an event was correlated, and its row of the inbox is still open",
    )
    kept = {h.seq for s in decision.lane.submissions for h in s.candidates}
    unkept = Disposition.CONTRADICTION if given.heard.seq not in kept else Disposition.DUPLICATE
    if {(given.heard.seq, d) for d in (Disposition.DUPLICATE, unkept)} & set(decision.dispositions):
        # No submission keeps it (or the lane forgot that one with the same decision): that it is
        # not given twice is the commit's doing, for the row's disposition and the lane are one
        # transaction.
        return
    again = decide(decision.lane, given, setting.policy)
    require(again.lane == decision.lane, "I5: the same event twice changed something")


def _held_are_kept(old: Mapping[SubmissionId, Submission], decision: Decision) -> None:
    before = {h.seq for s in old.values() for h in s.held}
    after = {h.seq for s in decision.lane.submissions for h in s.held}
    disposed = {seq for seq, _ in decision.dispositions}
    require(before - after <= disposed, "an event that was held was let go without a word")


# -------------------------------------------------------------------------- of the truth


def of_truth(world: World, setting: Setting, decision: Decision, excused: Counter[str]) -> None:
    """No outcome says more than what really happened (I2)."""
    for submission in decision.changed:
        if submission.state is State.CLOSED:
            _truth(world, submission, setting, excused)
    for effect in decision.effects:
        if isinstance(effect, Post) and "clock" not in world.spent:
            # A restart with the clock set back moves a close of long ago to the present, and a lane
            # that had rested would seem not to have.
            sending = next(s for s in decision.lane.submissions if s.id == effect.submission_id)
            _lane_has_rested(decision.lane, sending, setting)
        if isinstance(effect, Post) and effect.submission_id in world.moves:
            late = _excuse(world, ("late_application",))
            require(late is not None, "I4: sent again, and it had been applied")
            excused[f"sent again: {late}"] += 1


def _truth(world: World, submission: Submission, setting: Setting, excused: Counter[str]) -> None:
    applied = submission.id in world.moves
    exclusive = submission.attribution is Attribution.EXCLUSIVE
    match submission.outcome:
        case Outcome.CONFIRMED:
            require(submission.heard is not None, "I2: confirmed, and nothing was heard")
            if exclusive:
                _exclusive(world, submission, setting, excused)
        case Outcome.PRESUMED if exclusive and not applied:
            why = _foreign_excuse(world, submission, setting)
            why = why or _excuse(world, ("refused_and_applied",))
            require(why is not None, "I2: presumed as its own, and never applied")
            excused[f"presumed: {why}"] += 1
        case Outcome.NOT_DISPATCHED if applied:
            why = _excuse(world, ("late_application",))
            require(why is not None, "I2: not dispatched, and it was applied")
            excused[f"not_dispatched: {why}"] += 1
        case Outcome.REJECTED | Outcome.UNDELIVERED | Outcome.CANCELLED | Outcome.SUPERSEDED:
            if applied:
                why = _excuse(world, ("refused_and_applied",))
                require(why is not None, f"I2: {submission.outcome}, and it was applied")
                excused[f"{submission.outcome}: {why}"] += 1
        case _:
            pass


def _exclusive(
    world: World, submission: Submission, setting: Setting, excused: Counter[str]
) -> None:
    if submission.id in world.emitted or submission.heard is None:
        return
    whose = world.heard[submission.heard.seq - 1]
    if whose == FOREIGN:
        why = _foreign_excuse(world, submission, setting)
    elif whose not in [s.id for s in world.lane.submissions]:
        why = "event of a forgotten submission"
    elif whose in [owner for owner, _ in world.belied]:
        why = _excuse(world, ("refused_and_applied",))
    else:
        why = _told_twice_excuse(world, submission, whose, setting)
    require(why is not None, f"I2: confirmed as its own by an event of {whose}")
    excused[f"confirmed: {why}"] += 1


def _told_twice_excuse(
    world: World, submission: Submission, whose: str, setting: Setting
) -> str | None:
    """Why the event of another update of ours could not be told from its own, or None where it
    could: that one was confirmed a settle period and more before this one was sent, or by somebody
    else's; nobody has connected since that moment; and this one was accepted, or the record cannot
    be asked whether it was applied.
    """
    first = first_sent(submission)
    if first is None:
        return None
    since = first.began_ms - setting.policy.settle_ms
    other = next(s for s in world.lane.submissions if s.id == whose)
    lately = other.heard_ms is not None and other.heard_ms >= since
    anew = any(gap.end_ms is None or gap.end_ms >= since for gap in world.gaps)
    if other.outcome is Outcome.CONFIRMED and (lately or anew):
        return None
    baseline = first.baseline
    tells = baseline is not None and baseline.known and baseline.path_digest is not None
    moved = submission.id in world.moves or FOREIGN in world.moves
    if submission.accepted_ms is None and tells and not moved:
        return None
    return _excuse(world, ("twice", "foreign"))


def of_hearing(world: World, seq: int, decision: Decision) -> None:
    """P4: no event of ours is taken for somebody else's while the lane remembers whose it is, and
    a refused one is remembered for a settle period. A clock set forward makes it forget."""
    if "clock" in world.spent:
        return
    whose = world.heard[seq - 1]
    foreign = (seq, Disposition.FOREIGN) in decision.dispositions
    ours: list[str] = [s.id for s in world.lane.submissions]
    ours += [owner for owner, until in world.belied if world.now < until]
    require(not (foreign and whose in ours), f"P4: the event of {whose} was taken for another's")


def _excuse(world: World, kinds: tuple[str, ...]) -> str | None:
    """The first of these faults that happened in this history."""
    return next((kind for kind in kinds if kind in world.spent), None)


def told(before: World, after: World, setting: Setting, path: int) -> World:
    """Keep what a reading told the core, and which foreign updates it could not show as such."""
    fresh = before.moves[before.read_to or 0 : path]
    if before.read_to is not None and path <= before.read_to:
        return after
    if FOREIGN not in fresh:
        return after._replace(read_to=path)
    blind = set(after.blind)
    if before.read_to is None:
        blind.add("foreign before the first reading")
    elif before.lane.ours_since_seen and before.ever_sent:
        blind.add("foreign hidden behind an update of ours")
    return after._replace(read_to=path, blind=frozenset(blind), foreign_read_ms=before.now)


def _foreign_excuse(world: World, submission: Submission, setting: Setting) -> str | None:
    """Why a foreign update could not be told from ours, or None where it could.

    It moved the record after the baseline was read (DESIGN's own case); or there was no baseline;
    or nothing had been read of this lane before it, so that no reading could differ from another;
    or an update of ours may have moved the record since the last reading, and hides it; or its
    event came a settle period and more after it was seen.
    """
    if FOREIGN not in world.moves:
        return None
    first = first_sent(submission)
    baseline = None if first is None else first.baseline
    if first is None or baseline is None or not baseline.known:
        return "foreign, and no baseline"
    if baseline.path_digest is None:
        return "foreign, and no distinguishing field"
    if FOREIGN in world.moves[int(baseline.path_digest[1:]) :]:
        return "foreign after the baseline"
    if world.blind:
        return min(world.blind)
    seen = world.foreign_read_ms
    if seen is not None and seen < first.began_ms - setting.policy.settle_ms:
        return "foreign seen long before"
    return None


def of_end(world: World) -> None:
    """All is closed and correlated: as many submissions are ``confirmed`` as were heard, or keep an
    event that the record does not speak for. Which event is whose, nobody can know."""
    rows = [s for s in world.lane.submissions if possibly_sent(s) and not s.contradicted]
    heard = [s.id for s in rows if s.id in world.heard]
    answered = [s for s in rows if s.outcome is Outcome.CONFIRMED or s.candidates]
    require(len(heard) <= len(answered), f"{heard} were heard, {len(answered)} were answered")
    for submission in rows:
        if submission.candidates and world.lane.review_ms is None:
            seen = world.lane.last_seen
            moved = seen is not None and movement_of(submission, seen) is Movement.MOVED
            newest = submission is rows[-1]
            require(not (moved and newest), "a candidate was left, though the record moved")
