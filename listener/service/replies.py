"""The upstream's replies, for those who are to have them unchanged."""

from __future__ import annotations

from collections import OrderedDict

from listener.core.names import Outcome, PostKind, State, SubmissionId
from listener.core.submission import Submission
from listener.ports.journal import Journal, StoredReply
from listener.ports.upstream import RawReply

from .bulletin import Bulletin

RECENT = 1024
RECENT_BYTES = 4 << 20

_FINAL = (PostKind.ACCEPTED, PostKind.REFUSED)
_WITHDRAWN = (Outcome.CANCELLED, Outcome.SUPERSEDED)


class Replies:
    """Keeps the newest in memory, and each that somebody waits for. The journal has a reply only
    while its submission is open; but the commit that ends an attempt may be the one that closes it,
    and those who wait for the reply look after it."""

    def __init__(self, journal: Journal, bulletin: Bulletin) -> None:
        self._journal = journal
        self._bulletin = bulletin
        self._recent: OrderedDict[SubmissionId, StoredReply] = OrderedDict()
        self._bytes = 0

    def came(self, stored: StoredReply) -> None:
        """An attempt was answered. To be called before its end is committed."""
        self._drop(stored.submission_id)
        self._recent[stored.submission_id] = stored
        self._bytes += len(stored.reply.body)
        while len(self._recent) > RECENT or self._bytes > RECENT_BYTES:
            watched = self._bulletin.watched
            oldest = next((one for one in self._recent if not watched(one)), None)
            if oldest is None:
                return
            self._drop(oldest)

    async def recall(self, submission_id: SubmissionId) -> None:
        """Have in memory what the journal has, before it goes with a close."""
        if submission_id not in self._recent:
            stored = await self._journal.reply(submission_id)
            if stored is not None and submission_id not in self._recent:
                self.came(stored)

    def told(self, submission_id: SubmissionId) -> None:
        """The end of its attempt is on disk: whoever waits may look."""
        self._bulletin.post(submission_id)

    def last_word(self, submission: Submission) -> RawReply | None:
        """What the last attempt was answered, where that is the end of the matter: accepted,
        refused, or the submission is closed. None where it was not answered, will be made again, or
        the submission was withdrawn before anything was sent."""
        if not replied(submission) or submission.outcome in _WITHDRAWN:
            return None
        last = submission.attempts[-1].number if submission.attempts else 0
        kept = self._recent.get(submission.id)
        return kept.reply if kept is not None and kept.attempt == last else None

    def _drop(self, submission_id: SubmissionId) -> None:
        gone = self._recent.pop(submission_id, None)
        if gone is not None:
            self._bytes -= len(gone.reply.body)


def replied(submission: Submission) -> bool:
    """Whether nothing more is to come from the upstream by way of a reply."""
    if submission.state is State.CLOSED:
        return True
    result = submission.attempts[-1].result if submission.attempts else None
    return result is not None and result.kind in _FINAL


def timed_out(submission: Submission) -> bool:
    """Whether the last attempt ended without a word, for want of time as far as is known."""
    last = submission.attempts[-1] if submission.attempts else None
    return last is not None and (last.result is None or last.result.detail.endswith("timeout"))
