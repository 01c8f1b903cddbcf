"""One world: a lane, the truth about its upstream, and what is under way between the two.

Frozen and hashable, so that a world met twice is explored once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from listener.core.evidence import PROCESSING, Gap, Heard, Hearing, Reading
from listener.core.names import FileKind, Millis, State, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import first_sent
from listener.core.submission import FileFacts, Lane, Submission

START_MS = 1_000_000
FILE = FileFacts(sha256="00", size=1, kind=FileKind.PDF, name="cv.pdf")
FOREIGN = "foreign"

LISTENING, CUT, DEAF, DEAF_SETTLED = "listening", "cut", "deaf", "deaf_settled"
"""``CUT``: the connection is dead and nobody has noticed. ``DEAF``: noticed, and a replay may
still come. ``DEAF_SETTLED``: it was waited for long enough."""

POLICY = Policy(
    confirm_timeout_ms=30_000,
    settle_ms=20_000,
    give_up_after_ms=70_000,
    deliver_within_ms=60_000,
    late_window_ms=80_000,
    keep_unresolved_ms=80_000,
    max_attempts=2,
    enquiries_ms=(5_000,),
    backoff_first_ms=25_000,
    backoff_cap_ms=25_000,
)
"""Few timers, and far apart: each order of them is a world of its own."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change within one exploration. ``faults``: how many in one history; ``kinds``:
    which, and how often each (a kind that is absent cannot happen). ``paths``: whether the record
    shows its distinguishing field."""

    kinds: tuple[tuple[str, int], ...]
    faults: int
    submissions: int = 1
    policy: Policy = POLICY
    paths: bool = True
    late_faults: bool = False
    """Whether faults go on once the last submission is closed."""

    def cap(self, kind: str) -> int:
        """How often one kind of fault may happen in one history."""
        return dict(self.kinds).get(kind, 0)


class Flight(NamedTuple):
    """A POST that the upstream has: whether it was applied already."""

    owner: SubmissionId
    attempt: int
    applied: bool


class World(NamedTuple):
    """See the module. Owners are submission ids, or ``FOREIGN``."""

    now: int
    lane: Lane
    to_submit: int
    moves: tuple[str, ...] = ()
    """Who moved the record, in order; its path is the length."""
    emitted: frozenset[str] = frozenset()
    heard: tuple[str, ...] = ()
    """Whose each event received was, by seq from 1."""
    inbox: tuple[tuple[int, bool], ...] = ()
    """Journaled, not correlated yet: (seq, replayed)."""
    racing: bool = False
    """Other things happen although an event of the lane awaits correlation."""
    to_emit: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    """Emitted while we were deaf: lost, unless the connection is recovered."""
    ear: str = LISTENING
    gaps: tuple[Gap, ...] = ()
    recovering: bool = False
    """A new process correlates what the last one left, before anything else."""
    offer: tuple[SubmissionId, int] | None = None
    baselined: tuple[SubmissionId, Reading | None, int] | None = None
    """The record was read right before sending: what was told, and the path then."""
    post: tuple[SubmissionId, int] | None = None
    """``sending`` is on disk, and no byte has left."""
    flying: Flight | None = None
    late: tuple[tuple[SubmissionId, int], ...] = ()
    """Not answered, yet to be applied: (owner, no later than)."""
    asked: bool = False
    """Another GET, when the one under way is back."""
    get: tuple[int, int] | None = None
    """A GET under way: when it began, and the path then."""
    read_to: int | None = None
    """The path when the core was last told of the record."""
    blind: frozenset[str] = frozenset()
    """Why a foreign update before that could not be told from ours."""
    belied: tuple[tuple[str, int], ...] = ()
    """Refused and applied all the same: (owner, when its lane may forget it)."""
    foreign_read_ms: int | None = None
    """When a reading last showed a foreign update."""
    ever_sent: bool = False
    """Whether a POST of ours may have reached the upstream."""
    spent: tuple[str, ...] = ()
    """The faults so far, sorted."""

    @property
    def path(self) -> int:
        """The record's distinguishing field."""
        return len(self.moves)

    def hearing(self) -> Hearing:
        """What the ear would say of itself."""
        on = self.ear in (LISTENING, CUT)
        return Hearing(listening=on, settled=self.ear != DEAF, gaps=self.gaps)

    def over(self) -> bool:
        """Whether all is closed, and nothing more will be submitted."""
        return not self.to_submit and not open_ids(self.lane)

    def busy(self) -> bool:
        """Whether something of ours is under way that takes no time of its own."""
        return bool(
            self.inbox
            or self.baselined
            or self.post
            or self.flying
            or self.get
            or self.recovering
            or (self.offer and self.offer[1] <= self.now)
        )


def reading(setting: Setting, read_ms: int, path: int) -> Reading:
    """What a GET says."""
    if setting.paths:
        return Reading(read_ms=Millis(read_ms), known=True, path_digest=f"p{path}")
    word = PROCESSING if path else "ready"
    return Reading(read_ms=Millis(read_ms), known=True, status=word, enhance_status=word)


def unknown(read_ms: int) -> Reading:
    """A GET that failed."""
    return Reading(read_ms=Millis(read_ms), known=False, detail="read_timeout")


def first_world(setting: Setting) -> World:
    """Nothing has happened yet."""
    return World(now=START_MS, lane=Lane(), to_submit=setting.submissions)


def horizon(setting: Setting, lane: Lane, now: int) -> int:
    """What happened before that matters to no attempt for having been near it: a settle period
    before the first of the lane's, and of those that begin from now on."""
    if setting.submissions == 1:
        return now + 1
    begins = [first.began_ms for s in lane.submissions if (first := first_sent(s)) is not None]
    return min(now, *begins) - setting.policy.settle_ms if begins else now


def distilled(lane: Lane, since: int) -> Lane:
    """The lane without what no decision reads: versions (they count steps), and what is only shown,
    or was before ``since``. They would tell equal worlds apart."""
    rows = tuple(_distilled(s, since) for s in lane.submissions)
    return replace(lane, submissions=rows)


def _distilled(submission: Submission, since: int) -> Submission:
    heard_ms = submission.heard_ms
    return replace(
        submission,
        version=1,
        outcome_before=None,
        corrected_ms=None,
        created_ms=Millis(START_MS),
        sent_ms=None,
        accepted_ms=None if submission.accepted_ms is None else Millis(START_MS),
        heard_ms=None if heard_ms is None or heard_ms < since else heard_ms,
        deaf_ms=0,
        duplicates=0,
        reason=None,
        keep_file_until_ms=None,
        held=tuple(_untimed(h) for h in submission.held),
        candidates=tuple(_untimed(h) for h in submission.candidates),
        heard=None if submission.heard is None else _untimed(submission.heard),
    )


def distilled_gaps(gaps: tuple[Gap, ...], lane: Lane, now: int, since: int) -> tuple[Gap, ...]:
    """Of a gap that ended before now it matters alone which first attempts it touched; and when it
    ended, where that was not before ``since``."""
    begins = {first.began_ms for s in lane.submissions if (first := first_sent(s)) is not None}
    kept: list[Gap] = []
    for gap in gaps:
        if gap.end_ms is not None and gap.end_ms < now:
            touched = [began for began in begins if began <= gap.end_ms]
            if gap.end_ms >= since:
                gap = Gap(max(touched, default=gap.end_ms), gap.end_ms)
            elif touched:
                gap = Gap(max(touched), max(touched))
            else:
                continue
        if gap not in kept:
            kept.append(gap)
    return tuple(kept)


def _untimed(heard: Heard) -> Heard:
    return replace(heard, heard_ms=Millis(START_MS))


def open_ids(lane: Lane) -> list[SubmissionId]:
    """What still waits for an outcome."""
    return [s.id for s in lane.submissions if s.state is not State.CLOSED]
