"""The promises, held against three witnesses: the upstream's ledger, the journal, our log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from listener.core.names import Attribution, CvCode, Outcome, State
from listener.core.submission import Submission

from .upstream import Post
from .world import Life


async def violations(life: Life) -> list[str]:
    """Every broken promise of one played life, in words."""
    found: list[str] = []
    for submission_id, code in sorted(life.accepted.items()):
        stored = await life.journal.submission(submission_id)
        if stored is None:
            found.append(f"I1 {submission_id}: accepted, and gone from the journal")
            continue
        posts = life.upstream.ledger.of(submission_id)
        found.extend(
            f"{problem} [{submission_id}]" for problem in _one(life, code, stored.submission, posts)
        )
    found.extend(
        f"lane: two posts of one code at once ({len(life.upstream.ledger.overlaps)})"
        for _ in life.upstream.ledger.overlaps[:1]
    )
    found.extend(_lines(life))
    found.extend(_lanes(life))
    left = await life.journal.undisposed()
    found.extend(f"I5 event {row.heard.seq} was journaled and never correlated" for row in left)
    found.extend(f"the service fell over: {error}" for error in life.fell_over)
    return found


def _one(life: Life, code: CvCode, submission: Submission, posts: list[Post]) -> Iterator[str]:
    if submission.state is not State.CLOSED:
        yield f"I9 still {submission.state} when all faults had stopped"
        return
    yield from _truth(life, code, submission, posts)
    yield from _resends(posts)
    yield from _heard(life, code, submission, posts)
    if submission.outcome is not None and (submission.id, submission.version) not in life.reacted:
        announced = [pair for pair in life.reacted if pair[0] == submission.id]
        if not announced:
            yield "I6 no handler ever heard of its close"
    # A clock that jumps between runs moves the time a file is kept with it: no bound to hold.
    keep = None if life.scenario.clock_jumps else submission.keep_file_until_ms
    if (
        keep is not None
        and keep + 10_000 < life.clock.now_ms()
        and submission.id in life.spool.files
    ):
        yield "I10 its file is still in the spool"


def _truth(life: Life, code: CvCode, submission: Submission, posts: list[Post]) -> Iterator[str]:
    """I2: no outcome says more than what really happened."""
    ledger = life.upstream.ledger
    muddied = code in ledger.foreign or code in ledger.doubled
    applied = [post for post in posts if post.applied_s is not None]
    match submission.outcome:
        case Outcome.CONFIRMED:
            emitted = any(post.emitted for post in posts)
            if submission.attribution is Attribution.EXCLUSIVE and not emitted and not muddied:
                yield "I2 confirmed as its own, and the upstream never emitted for it"
            if not ledger.emitted.get(code):
                yield "I2 confirmed, and nothing was ever emitted for this code"
        case Outcome.PRESUMED:
            exclusive = submission.attribution is Attribution.EXCLUSIVE
            if exclusive and not applied and not muddied:
                yield "I2 presumed as its own, and never applied"
        case Outcome.NOT_DISPATCHED:
            if applied and not muddied:
                yield "I2 not_dispatched, and it was applied"
        case Outcome.REJECTED | Outcome.UNDELIVERED | Outcome.CANCELLED | Outcome.SUPERSEDED:
            if applied:
                yield f"I2 {submission.outcome}, and it was applied"
        case _:
            pass


def _heard(life: Life, code: CvCode, submission: Submission, posts: list[Post]) -> Iterator[str]:
    """I4 of the ear: with nobody else about and never deaf, what was emitted was heard."""
    drawn = life.scenario
    calm = not (drawn.cuts or drawn.crashes or drawn.outages or drawn.foreign)
    alone = sum(other == code for other in life.accepted.values()) == 1
    emitted = any(post.emitted for post in posts)
    if calm and alone and emitted and submission.outcome is not Outcome.CONFIRMED:
        yield f"emitted while we listened, and ended {submission.outcome}"


def _resends(posts: list[Post]) -> Iterator[str]:
    """I3, I4: nothing is sent again after an acceptance, nor once it may have been applied."""
    for earlier, later in pairwise(posts):
        if earlier.told == "accepted":
            yield "I3 sent again after it was accepted"
        if earlier.applied_s is not None and earlier.applied_s <= later.began_s:
            yield f"I4 sent again after it was applied ({earlier.fault})"


def _lines(life: Life) -> Iterator[str]:
    """I7: one canonical line per close. I8: no code in any line."""
    closes: Counter[str] = Counter()
    again: set[str] = set()
    for line in life.log.lines:
        if line.event == "submission.closed":
            name = str(line.fields["submission_id"])
            if line.fields.get("repeated"):
                again.add(name)
            else:
                closes[name] += 1
        if "Sim#" in repr(line.fields) or "Sim%23" in repr(line.fields):
            yield f"I8 a code stands in {line.event}"
    for name, count in closes.items():
        if count > 1:
            yield f"I7 {count} canonical lines [{name}]"
    for name in life.accepted:
        if not closes[name] and name not in again:
            yield f"I7 no canonical line [{name}]"


def _lanes(life: Life) -> Iterator[str]:
    """Rule 1, as the log tells it: one update of a code in flight at a time."""
    flying: dict[object, object] = {}
    for line in life.log.lines:
        ref, who = line.fields.get("cv_ref"), line.fields.get("submission_id")
        match line.event:
            case "attempt.began":
                if flying.get(ref, who) != who:
                    yield f"lane: {who} was sent while {flying[ref]} was in flight"
                flying[ref] = who
            case "submission.closed" | "submission.requeued" if flying.get(ref) == who:
                del flying[ref]
            case "attempt.ended" if line.fields["state"] == "queued" and flying.get(ref) == who:
                del flying[ref]
            case _:
                pass


def summary(life: Life) -> str:
    """One line of what a life was like."""
    posts = Counter(post.fault for post in life.upstream.ledger.posts)
    ends = Counter(
        str(line.fields["outcome"]) for line in life.log.lines if line.event == "submission.closed"
    )
    return f"seed {life.scenario.seed}: {dict(ends)} after posts {dict(posts)}"
