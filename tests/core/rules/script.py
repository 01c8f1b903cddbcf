"""The driver of scripts: inputs in, and what they led to as plain words.

Time is seconds from ``START``; nothing happens by itself. Each method gives one input (or says what
the ear knows) and returns the script, so that a test reads as the schedule it is about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Self, TypeVar

from listener.core.effects import Effect
from listener.core.evidence import Gap, Heard, Hearing, PostResult, Reading, UpstreamReply
from listener.core.facts import Fact
from listener.core.inputs import (
    AttemptEnded,
    CancelRequested,
    EventHeard,
    GapEnded,
    RecordRead,
    Restarted,
    SendBegins,
    Submit,
    TimePassed,
)
from listener.core.names import FileKind, Millis, PostKind, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import due_ms
from listener.core.submission import FileFacts, Lane, Submission
from listener.core.transitions import Decision, Given, decide

START = 1_700_000_000_000
FILE = FileFacts(sha256="ab" * 32, size=1234, kind=FileKind.PDF, name="cv.pdf")

ACCEPTED = PostResult(
    PostKind.ACCEPTED, "accepted", 200, reply=UpstreamReply(cv_id=456, status="draft")
)
TIMED_OUT = PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
UNREADABLE = PostResult(PostKind.POSSIBLY_SENT, "unreadable_reply", 200, resendable=False)
NOT_SENT = PostResult(PostKind.NOT_SENT, "connect_refused")
REFUSED = PostResult(PostKind.REFUSED, "not_found", 404)
THROTTLED = PostResult(PostKind.THROTTLED, "throttled", 429)

AnyEffect = TypeVar("AnyEffect", bound=Effect)
AnyFact = TypeVar("AnyFact", bound=Fact)


class Words(NamedTuple):
    """The record's two statuses."""

    status: str | None = None
    enhance: str | None = None


NO_WORDS = Words()


class Script:
    """One lane under test."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.lane = Lane()
        self.now_s = 0.0
        self.hearing = Hearing(listening=True)
        self.pending = False
        self.decision = Decision(Lane())
        self.facts: list[Fact] = []
        self.seq = 0

    # What is given.

    @property
    def now(self) -> Millis:
        return Millis(START + round(self.now_s * 1000))

    def after(self, seconds: float) -> Millis:
        """The moment so many seconds from now."""
        return Millis(self.now + round(seconds * 1000))

    def at(self, seconds: float) -> Self:
        """The clock says so from now on."""
        self.now_s = seconds
        return self

    def give(self, given: Given) -> Self:
        self.decision = decide(self.lane, given, self.policy)
        self.lane = self.decision.lane
        self.facts += self.decision.facts
        return self

    def submit(
        self,
        name: str = "a",
        retry_of: str | None = None,
        *,
        digest: str = FILE.sha256,
        join: bool = False,
        owed: Submission | None = None,
        forced: bool = False,
    ) -> Self:
        return self.give(
            Submit(
                self.now,
                self.hearing,
                self.pending,
                submission_id=SubmissionId(name),
                file=replace(FILE, sha256=digest),
                retry_of=None if retry_of is None else SubmissionId(retry_of),
                join=join,
                owed=owed,
                forced=forced,
            )
        )

    def begin(
        self,
        path: str | None = "p0",
        name: str = "a",
        words: Words = NO_WORDS,
        *,
        as_of: float | None = None,
        foreign_ms: Millis | None = None,
    ) -> Self:
        """The record is read and sending begins; ``path`` None: the reading failed. ``as_of``: how
        old a cache says that it is. ``foreign_ms``: a stranger's event was heard then."""
        baseline = self.reading(path, words)
        if as_of is not None:
            baseline = replace(baseline, read_ms=Millis(START + round(as_of * 1000)))
        return self.give(
            SendBegins(
                self.now,
                self.hearing,
                self.pending,
                submission_id=SubmissionId(name),
                baseline=baseline,
                foreign_ms=foreign_ms,
            )
        )

    def begin_blind(self, name: str = "a") -> Self:
        """Sending begins, and readings are switched off."""
        return self.give(
            SendBegins(
                self.now,
                self.hearing,
                self.pending,
                submission_id=SubmissionId(name),
                baseline=None,
            )
        )

    def end(self, result: PostResult, name: str = "a", attempt: int | None = None) -> Self:
        number = attempt if attempt is not None else len(self.of(name).attempts)
        return self.give(
            AttemptEnded(
                self.now,
                self.hearing,
                self.pending,
                submission_id=SubmissionId(name),
                attempt=number,
                result=result,
            )
        )

    def event(self, *, replayed: bool = False, seq: int | None = None) -> Self:
        """One event of this code. A seq that is given again is the same event again."""
        self.seq = self.seq + 1 if seq is None else seq
        heard = Heard(self.seq, self.now, replayed)
        return self.give(EventHeard(self.now, self.hearing, heard=heard))

    def read(
        self, path: str | None = "p0", *, began: float | None = None, words: Words = NO_WORDS
    ) -> Self:
        """An enquiry is back. ``path`` None: it failed. ``began``: when the GET began."""
        reading = self.reading(path, words)
        if began is not None:
            reading = replace(reading, read_ms=Millis(START + round(began * 1000)))
        return self.give(RecordRead(self.now, self.hearing, self.pending, reading=reading))

    def reading(self, path: str | None, words: Words) -> Reading:
        if path is None:
            return Reading(self.now, known=False, detail="read_timeout")
        return Reading(
            self.now,
            known=True,
            path_digest=path or None,
            status=words.status,
            enhance_status=words.enhance,
        )

    def time(self) -> Self:
        return self.give(TimePassed(self.now, self.hearing, self.pending))

    def wake(self) -> Self:
        """Time passes until the lane is due, and it is told so."""
        due = self.due_s
        assert due is not None, "nothing is due"
        return self.at(max(self.now_s, due)).time()

    def cancel(self, name: str = "a") -> Self:
        return self.give(
            CancelRequested(self.now, self.hearing, self.pending, submission_id=SubmissionId(name))
        )

    def restart(self) -> Self:
        return self.give(Restarted(self.now, self.hearing))

    def deaf(self, *, settled: bool = False) -> Self:
        """The subscription is lost from now on."""
        gaps = (*self.hearing.gaps, Gap(self.now))
        self.hearing = Hearing(listening=False, settled=settled, gaps=gaps)
        return self

    def listening(self) -> Self:
        """It is back, and what was missed will not be replayed: the gap is told."""
        *past, gap = self.hearing.gaps
        closed = replace(gap, end_ms=self.now)
        self.hearing = Hearing(listening=True, gaps=(*past, closed))
        return self.give(GapEnded(self.now, self.hearing))

    def was_deaf(self, start_s: float, end_s: float | None = None) -> Self:
        """Only now it is found out that we were deaf then (until now, if no end is said)."""
        end_ms = self.now if end_s is None else Millis(START + round(end_s * 1000))
        gap = Gap(Millis(START + round(start_s * 1000)), end_ms)
        gaps = sorted((*self.hearing.gaps, gap), key=lambda known: known.start_ms)
        self.hearing = Hearing(listening=True, gaps=tuple(gaps))
        return self.give(GapEnded(self.now, self.hearing))

    def recovered(self) -> Self:
        """It is back, and nothing was missed."""
        self.hearing = Hearing(listening=True, gaps=self.hearing.gaps[:-1])
        return self

    def awaited(self, pending: bool = True) -> Self:
        """Whether an event of the lane was received and is not correlated yet."""
        self.pending = pending
        return self

    # What it led to.

    def of(self, name: str = "a") -> Submission:
        """The submission, also one that the last decision forgot."""
        submission = self.found(name)
        assert submission is not None, f"{name} is not in the lane"
        return submission

    def found(self, name: str) -> Submission | None:
        rows = (*self.lane.submissions, *self.decision.changed)
        return next((submission for submission in rows if submission.id == name), None)

    def state(self, name: str = "a") -> str:
        return self.of(name).state.value

    def end_of(self, name: str = "a") -> str:
        """``confirmed exclusive``, ``unconfirmed``, or the state of one that is open."""
        submission = self.of(name)
        words = [submission.outcome or submission.state]
        if submission.attribution is not None:
            words.append(submission.attribution)  # type: ignore[arg-type]  # both are words
        return " ".join(word.value for word in words)

    @property
    def due_s(self) -> float | None:
        due = due_ms(self.lane, self.now, self.policy)
        return None if due is None else (due - START) / 1000

    @property
    def disposed(self) -> list[str]:
        """What the last decision said of events, in order."""
        return [disposition.value for _, disposition in self.decision.dispositions]

    @property
    def told(self) -> list[str]:
        """The names of the last decision's facts."""
        return [fact.event for fact in self.decision.facts]

    def effect(self, kind: type[AnyEffect]) -> list[AnyEffect]:
        return [effect for effect in self.decision.effects if isinstance(effect, kind)]

    def fact(self, kind: type[AnyFact]) -> list[AnyFact]:
        return [fact for fact in self.decision.facts if isinstance(fact, kind)]


def accepted(name: str = "a", policy: Policy | None = None, words: Words = NO_WORDS) -> Script:
    """A lane whose only submission was accepted at 1 s, from the baseline ``p0``."""
    script = Script(policy).submit(name).begin("p0", name, words)
    return script.at(1).end(ACCEPTED, name)


def in_doubt(name: str = "a", policy: Policy | None = None) -> Script:
    """A lane whose only submission's POST timed out at 1 s, from the baseline ``p0``."""
    return Script(policy).submit(name).begin("p0", name).at(1).end(TIMED_OUT, name)


def unresolved(name: str = "old", policy: Policy | None = None) -> Script:
    """A lane whose only submission was accepted at 1 s, moved the record, and was never heard: it
    closed at 31 s, and the lane's rest ended at 61 s with the record as it was left (``p1``)."""
    script = accepted(name, policy).wake().read("p1")
    assert script.end_of(name) == "unconfirmed"
    script.wake().read("p1")
    assert script.lane.rest_until_ms is None
    return script
