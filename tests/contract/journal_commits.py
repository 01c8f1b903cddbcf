"""Commits for the journal machine, made of what is drawn and of what a lane holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from listener.core.evidence import Heard, PostResult
from listener.core.names import Attribution, CvCode, Millis, Outcome, PostKind, State, SubmissionId
from listener.core.submission import Attempt, Submission
from listener.ports.event_source import Resume
from listener.ports.journal import IdempotencyKey, InboxRow, LaneCommit, StoredReply
from listener.ports.upstream import RawReply

from .journal_trio import Call
from .journals import at

UNFIT = "\ud800"
"""No store can hold it."""


def with_changes(
    members: Sequence[Submission], changes: list[tuple[int, State | Outcome, Millis]]
) -> dict[SubmissionId, Submission]:
    """Of the lane's, some in another state: a closed one stays closed, its outcome may change."""
    changed: dict[SubmissionId, Submission] = {}
    for which, word, when in changes if members else []:
        old = members[which % len(members)]
        heard = Heard(int(when) % 30 + 1, when)
        if isinstance(word, Outcome):
            kept_until = None if when % 3 == 0 else Millis(when + 5)
            changed[old.id] = replace(
                old,
                state=State.CLOSED,
                outcome=word,
                attribution=(None, *Attribution)[when % 3],
                late=when % 4 == 0,
                closed_ms=old.closed_ms or when,
                attempts=_attempts(old, State.AWAITING if when % 2 else State.QUEUED, when),
                keep_file_until_ms=kept_until,
                heard=old.heard or heard,
            )
        elif old.state is not State.CLOSED:
            changed[old.id] = replace(
                old,
                state=word,
                candidates=(*old.candidates, heard),
                attempts=_attempts(old, word, when),
            )
    return changed


def _attempts(old: Submission, word: State, when: Millis) -> tuple[Attempt, ...]:
    """With one more that brings it to this state: of every kind, possibly sent or not."""
    results: dict[State, PostKind | None] = {
        State.SENDING: None,
        State.AWAITING: PostKind.ACCEPTED,
        State.IN_DOUBT: PostKind.POSSIBLY_SENT,
        State.QUEUED: (PostKind.NOT_SENT, PostKind.THROTTLED, PostKind.REFUSED)[when % 3],
    }
    kind = results[word]
    result = None if kind is None else PostResult(kind, "made")
    crashed = word is State.IN_DOUBT and when % 2 == 0
    under_way = old.attempts and old.attempts[-1].result is None
    past = old.attempts[:-1] if under_way else old.attempts
    began = old.attempts[-1].began_ms if under_way else when
    new = Attempt(len(past) + 1, began, result=None if crashed else result, crashed=crashed)
    return (*past, new)


def staying(members: Sequence[Submission], drops: str) -> tuple[Submission, ...]:
    match drops:
        case "closed":
            return tuple(s for s in members if s.state is not State.CLOSED)
        case "first":
            return tuple(members[1:])
        case "all" | "remove":
            return ()
        case _:
            return tuple(members)


def subject(every: Sequence[SubmissionId], n: int) -> int | None:
    """Whose fact it is: one of the lane's, or the lane's own."""
    return int(every[n % len(every)][-12:], 16) if every and n % 4 else None


def reply_to(
    changed: Sequence[SubmissionId], answers: tuple[int, bytes] | None
) -> StoredReply | None:
    """To one of those that change."""
    if answers is None or not changed:
        return None
    number, body = answers
    raw = RawReply(200 + number, "É", (("X", "é"), ("x", "")), body)
    return StoredReply(changed[number % len(changed)], number, raw)


def unfit_call(what: str, like: LaneCommit) -> Call:
    """A write that must be refused whole, for one text in it."""
    row = InboxRow(Heard(99, at(1)), like.code, UNFIT if what == "payload" else "{}")
    match what:
        case "reason":
            bad = replace(like, changed=(replace(like.changed[0], reason=UNFIT),))
            return "commit", (replace(bad, code=CvCode("unfit"), expected_version=0),)
        case "key":
            key = IdempotencyKey(UNFIT, "print", like.changed[0].id, at(1))
            bad = replace(like, code=CvCode("unfit"), expected_version=0, idempotency=key)
            return "commit", (bad,)
        case "payload":
            return "append_events", ([row], Resume("unfit", "9"))
        case _:
            return "append_events", ([row], Resume("unfit", UNFIT))
