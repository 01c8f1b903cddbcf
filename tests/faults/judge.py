"""What the upstream's ledger allows to be said of one update, and how often it may have been sent.

One judge for every behaviour: it is told nothing of what was planned, and reads what was received,
applied, dispatched and emitted. It holds for one connection that stood all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from listener.core.names import Attribution, Outcome, PostKind, State, UpstreamJob, Verdict
from listener.core.policy import Policy
from listener.core.submission import Attempt, Submission
from listener.core.view import verdicts
from listener.emulator.ledger import EventEntry, Ledger, PostEntry, ReadingEntry

CLOCKS_MS = 50
"""Between the upstream's clock and ours, which are read apart."""


@dataclass(frozen=True)
class Case:
    """One submission as the journal has it at the end, beside the ledger's entries of its code."""

    submission: Submission
    code: str
    ledger: Ledger
    policy: Policy

    @cached_property
    def posts(self) -> list[PostEntry]:
        """Its own POSTs, in order of receipt."""
        return [post for post in self.ledger.posts(self.code) if self._own(post.request_id)]

    @cached_property
    def applied(self) -> list[PostEntry]:
        """Those of its own that were applied."""
        return [post for post in self.posts if post.applied]

    @cached_property
    def others(self) -> list[int]:
        """When updates of this code that are not its own were applied, or told of in an event."""
        posts = (p for p in self.ledger.posts(self.code) if not self._own(p.request_id))
        applied = [post.applied_ms for post in posts if post.applied_ms is not None]
        foreign = [entry.applied_ms for entry in self.ledger.foreign(self.code)]
        own = {event.number for event in self.own_events}
        told = [event.emitted_ms for event in self.events if event.number not in own]
        return [*applied, *foreign, *told]

    @property
    def long_ago(self) -> bool:
        """Whether all others were over a settle period before it was first sent."""
        first_ms = self.posts[0].received_ms if self.posts else 0
        return all(at_ms + self.policy.settle_ms < first_ms + CLOCKS_MS for at_ms in self.others)

    @cached_property
    def events(self) -> list[EventEntry]:
        """Every event of its code that went out to somebody, and that a reader can read."""
        events = self.ledger.events(self.code)
        return [event for event in events if event.receivers and event.payload != "hostile"]

    @cached_property
    def own_events(self) -> list[EventEntry]:
        """Those that its own POSTs caused."""
        numbers = {post.number for post in self.posts}
        return [event for event in self.events if event.for_post in numbers]

    @cached_property
    def readings(self) -> list[ReadingEntry]:
        """Every reading of its record that was answered."""
        return [read for read in self.ledger.readings(self.code) if read.status == 200]

    @property
    def alone(self) -> bool:
        """Whether all that is known of this code can only be this one update's."""
        return len(self.applied) <= 1 and len(self.events) <= 1 and not self.others

    def answered(self, post: PostEntry) -> bool:
        """Whether its answer came, as we say ourselves: it may have been too late for us."""
        results = {attempt.number: attempt.result for attempt in self.submission.attempts}
        result = results.get(_number(post))
        return result is not None and result.http_status == post.status

    def path_before(self, post: PostEntry) -> str | None:
        """The path that the last reading before a POST showed."""
        seen = [read.cv_path for read in self.readings if read.number < post.number]
        return seen[-1] if seen else None

    def _own(self, request_id: str | None) -> bool:
        return request_id is not None and request_id.rpartition("-")[0] == self.submission.id


def judge(case: Case) -> list[str]:
    """Everything that the ledger does not allow, in words."""
    name = case.submission.id
    found = [problem for look in (*LOOKS, posts_too_many) for problem in look(case)]
    return [f"{problem} [{name}]" for problem in found]


def posts_too_many(case: Case) -> Iterator[str]:
    """After a POST that was accepted or refused there is no other; after one that may have been
    applied, only where it was not, and a reading begun a settle period after its end showed the
    record as it was before it."""
    first = case.posts[0] if case.posts else None
    unmoved = None if first is None else case.path_before(first)
    for earlier, later in pairwise(case.posts):
        if earlier.status == 429:
            if earlier.applied:
                yield "sent again after it was throttled, and applied"
            continue
        if earlier.status is not None and earlier.status < 500 and case.answered(earlier):
            yield f"sent again after it was answered {earlier.status}"
        if earlier.applied_ms is not None and earlier.applied_ms <= later.received_ms:
            yield f"sent again after it was applied ({earlier.fault})"
        settled_ms = (earlier.ended_ms or earlier.received_ms) + case.policy.settle_ms
        looked = [
            read
            for read in case.readings
            if read.number < later.number and read.read_ms + CLOCKS_MS >= settled_ms
        ]
        if not looked or looked[-1].cv_path != unmoved:
            yield "sent again, and the record was not read unmoved after the settle period"


def _attempts(case: Case) -> Iterator[str]:
    """Each attempt is one POST, and its result no more and no less than how that ended."""
    sent = [(_number(post), post) for post in case.posts]
    told = {attempt.number: attempt for attempt in case.submission.attempts}
    if [number for number, _ in sent] != sorted(told):
        yield f"attempts {sorted(told)}, and POSTs of {[number for number, _ in sent]}"
        return
    for number, post in sent:
        attempt = told[number]
        if not _fits(attempt, post):
            yield f"attempt {number} is {attempt.result}, and it was {post.ended} {post.status}"


def _number(post: PostEntry) -> int:
    return int((post.request_id or "").rpartition("-")[2])


def _fits(attempt: Attempt, post: PostEntry) -> bool:
    kind = None if attempt.result is None else attempt.result.kind
    unread = attempt.result is not None and attempt.result.http_status is None
    if unread or post.status is None or post.status >= 500 or post.status == 408:
        return kind is PostKind.POSSIBLY_SENT
    if post.status == 429:
        return kind is PostKind.THROTTLED
    if post.status >= 400:
        return kind is PostKind.REFUSED
    return kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT)


def _outcome(case: Case) -> Iterator[str]:
    """Confirmed where an event of it went out, and only there. Else what its POSTs came to:
    refused, accepted and never applied, or unknown, with what the record says."""
    submission = case.submission
    if submission.state is not State.CLOSED:
        yield f"is {submission.state} at the end"
        return
    if (submission.outcome, submission.reason) not in _allowed(case):
        yield (
            f"ends {submission.outcome} ({submission.reason}); it was sent {len(case.posts)} times,"
            f" applied {len(case.applied)} times, and {len(case.own_events)} events went out"
        )


def _allowed(case: Case) -> list[tuple[Outcome, str | None]]:
    if case.own_events:
        return [(Outcome.CONFIRMED, None), (Outcome.CONFIRMED, "late_event")]
    possibly = [a for a in case.submission.attempts if a.possibly_sent]
    if not possibly:
        results = [a.result for a in case.submission.attempts if a.result is not None]
        refused = [result.detail for result in results if result.kind is PostKind.REFUSED]
        return [(Outcome.REJECTED, detail) for detail in refused]
    if case.others and case.events:
        return [(Outcome.CONFIRMED, None), (Outcome.CONFIRMED, "late_event")]
    if case.applied or case.others:
        return [(Outcome.UNCONFIRMED, "listened_record_moved")]
    if any(a.result is not None and a.result.kind is PostKind.ACCEPTED for a in possibly):
        return [(Outcome.NOT_DISPATCHED, "record_unmoved")]
    return [(Outcome.UNCONFIRMED, "listened_record_unmoved")]


def _attribution(case: Case) -> Iterator[str]:
    """Exclusive where nothing else is known of its code, contended where there is; either, where
    that was long ago."""
    submission = case.submission
    wanted: list[Attribution | None] = [None]
    if submission.outcome is Outcome.CONFIRMED:
        wanted = [Attribution.EXCLUSIVE if case.alone else Attribution.CONTENDED]
        if case.long_ago and len(case.own_events) <= 1:
            wanted.append(Attribution.EXCLUSIVE)
    if submission.attribution not in wanted:
        yield f"attributed as {submission.attribution}, and it should be {wanted[0]}"


def _times(case: Case) -> Iterator[str]:
    """Late where its event went out after it had closed, and never heard before it went out. Deaf
    for no time, since the connection stood."""
    submission = case.submission
    if submission.deaf_ms:
        yield f"deaf for {submission.deaf_ms} ms, and the connection stood"
    if submission.outcome is not Outcome.CONFIRMED:
        return
    closed_ms, first = submission.closed_ms or 0, min(e.emitted_ms for e in case.events)
    if submission.heard_ms is None or submission.heard_ms + CLOCKS_MS < first:
        yield f"heard at {submission.heard_ms}, and its event went out at {first}"
    if submission.late and first + CLOCKS_MS < closed_ms:
        yield f"late, and its event went out {closed_ms - first} ms before the close"
    if not submission.late and first > closed_ms + CLOCKS_MS:
        yield f"not late, and its event went out {first - closed_ms} ms after the close"


def _verdicts(case: Case) -> Iterator[str]:
    """A job said to be dispatched was; the record is called as witness only where it was read
    after the update, and differs from what it was before. Duplicates are those that went out."""
    first = case.posts[0] if case.posts else None
    before = None if first is None else case.path_before(first)
    after = [r for r in case.readings if first is not None and r.number > first.number]
    moved = any(reading.cv_path != before for reading in after)
    for job, (verdict, evidence) in verdicts(case.submission).items():
        if verdict is Verdict.CONTRADICTED:
            yield f"{job} is contradicted, and nobody contradicted anything"
        if verdict in (Verdict.CORROBORATED, Verdict.INFERRED) and not _dispatched(case, job):
            yield f"{job} is {verdict}, and was never dispatched"
        if verdict in (Verdict.CORROBORATED, Verdict.INDICATED) and not moved:
            yield f"{job} is {verdict} by {evidence}, and no reading showed a moved record"
        if verdict is Verdict.UNKNOWN and (moved or case.own_events):
            yield f"{job} is unknown, and the record moved or its event went out"
    duplicates = len(case.events) - 1 if case.submission.outcome is Outcome.CONFIRMED else 0
    if case.submission.duplicates > duplicates:
        yield f"{case.submission.duplicates} duplicates, and {len(case.events)} events went out"


def _dispatched(case: Case, job: UpstreamJob) -> bool:
    numbers = {post.number for post in case.posts}
    jobs = case.ledger.jobs(case.code)
    return any(entry.kind == job.value and entry.for_post in numbers for entry in jobs)


LOOKS: tuple[Callable[[Case], Iterator[str]], ...] = (
    _attempts,
    _outcome,
    _attribution,
    _times,
    _verdicts,
)
