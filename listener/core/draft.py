"""The working copy of one decision: a lane under change, with what is said and done about it.

Lives within one call of ``decide`` and never leaves it.
"""

from __future__ import annotations

from dataclasses import replace

from .effects import Announce, Effect, HoldAll, ReleaseFile
from .errors import IllegalInput
from .evidence import Heard, Hearing
from .facts import (
    AttributionChanged,
    EventCorrelated,
    Fact,
    LaneRested,
    SubmissionClosed,
    SubmissionCorrected,
)
from .names import Attribution, Disposition, Millis, Outcome, State, SubmissionId
from .policy import Policy
from .standing import (
    UNRESOLVED_OUTCOMES,
    borne_out,
    contended,
    first_sent,
    possibly_sent,
    settled,
    told_again,
)
from .submission import Lane, Submission


class Draft:
    """Changes to one lane at one moment."""

    def __init__(self, lane: Lane, at_ms: Millis, hearing: Hearing, policy: Policy) -> None:
        self.lane = lane
        self.at_ms = at_ms
        self.hearing = hearing
        self.policy = policy
        self.facts: list[Fact] = []
        self.effects: list[Effect] = []
        self.dispositions: list[tuple[int, Disposition]] = []

    def get(self, submission_id: SubmissionId) -> Submission | None:
        """The submission as it stands in this draft."""
        return next((s for s in self.lane.submissions if s.id == submission_id), None)

    def put(self, submission: Submission) -> Submission:
        """Replace a submission (by id), or append it."""
        if self.get(submission.id) is None:
            rows = (*self.lane.submissions, submission)
        else:
            rows = tuple(submission if s.id == submission.id else s for s in self.lane.submissions)
        self.lane = replace(self.lane, submissions=rows)
        return submission

    def after(self, duration_ms: int) -> Millis:
        """The moment ``duration_ms`` from now."""
        return Millis(self.at_ms + duration_ms)

    def hold_all(self, duration_ms: int) -> None:
        """Ask for quiet towards the upstream, for every lane."""
        self.hold_until(self.after(duration_ms))

    def hold_until(self, until_ms: Millis, *, restarted: bool = False) -> None:
        """The same, by the hour. ``restarted``: an earlier run was asked for it."""
        self.effects.append(HoldAll(until_ms, restarted))

    def dispose(self, heard: Heard, disposition: Disposition, owner: SubmissionId | None) -> None:
        """Say what became of a heard event: the last word on it in this decision counts."""
        self.dispositions = [pair for pair in self.dispositions if pair[0] != heard.seq]
        self.dispositions.append((heard.seq, disposition))
        self.facts.append(
            EventCorrelated(
                at_ms=self.at_ms,
                submission_id=owner,
                seq=heard.seq,
                disposition=disposition,
                replayed=heard.replayed,
            )
        )

    def attribution_for(self, submission: Submission, heard: Heard | None = None) -> Attribution:
        """Whose a movement, or this event, is, as far as can be known now."""
        lane, policy = self.lane, self.policy
        if contended(lane, submission, self.at_ms, policy) or (
            heard is not None
            and told_again(lane, submission, heard, self.hearing, self.at_ms, policy)
        ):
            return Attribution.CONTENDED
        return Attribution.EXCLUSIVE

    def close(
        self,
        submission: Submission,
        outcome: Outcome,
        reason: str | None = None,
        attribution: Attribution | None = None,
        heard: Heard | None = None,
    ) -> Submission:
        """Close an open submission. After an unresolved close the lane rests (rule 1)."""
        first = first_sent(submission)
        ear = self.hearing.if_recovered() if heard and heard.replayed else self.hearing
        deaf = 0 if first is None else ear.deaf_ms(first.began_ms, self.at_ms)
        closed = replace(
            submission,
            state=State.CLOSED,
            outcome=outcome,
            reason=reason,
            attribution=attribution,
            heard=heard or submission.heard,
            heard_ms=heard.heard_ms if heard else submission.heard_ms,
            closed_ms=self.at_ms,
            deaf_ms=deaf,
            held=(),
            candidates=() if heard else submission.candidates,
            not_before_ms=None,
            deliver_by_ms=None,
            deadline_ms=None,
            settle_ms=None,
            give_up_ms=None,
            enquire_ms=None,
            file=replace(submission.file, name=""),
            keep_file_until_ms=self._keep_until(outcome),
        )
        self.put(closed)
        self.facts.append(
            SubmissionClosed(
                at_ms=self.at_ms,
                submission_id=closed.id,
                outcome=outcome,
                attribution=attribution,
                reason=reason,
            )
        )
        self._tell(closed)
        if possibly_sent(closed) and not settled(closed) and not borne_out(closed):
            self.rest()
        return closed

    def correct(
        self,
        submission: Submission,
        outcome: Outcome,
        reason: str | None,
        attribution: Attribution | None = None,
        heard: Heard | None = None,
    ) -> None:
        """Replace the outcome of a closed submission by a later truth."""
        if submission.outcome is None:
            raise IllegalInput("expected a closed submission to correct, found an open one")
        first = first_sent(submission)
        deaf = submission.deaf_ms
        if first is not None and heard is None:
            deaf = self.hearing.deaf_ms(first.began_ms, self.at_ms)
        corrected = replace(
            submission,
            outcome=outcome,
            outcome_before=submission.outcome,
            corrected_ms=self.at_ms,
            reason=reason,
            attribution=attribution,
            late=heard is not None or submission.late,
            heard=heard or submission.heard,
            heard_ms=heard.heard_ms if heard else submission.heard_ms,
            candidates=() if heard else submission.candidates,
            deaf_ms=deaf,
            keep_file_until_ms=self._keep_until(outcome),
        )
        self.put(corrected)
        self.facts.append(
            SubmissionCorrected(
                at_ms=self.at_ms,
                submission_id=corrected.id,
                outcome_before=submission.outcome,
                outcome=outcome,
                attribution=attribution,
                reason=reason,
            )
        )
        self._tell(corrected)

    def contend(self, submission: Submission) -> None:
        """A further event came for a confirmed submission: whose is which is no longer known
        (rule 4). A new version, not a correction; the lane rests."""
        changed = replace(
            submission,
            duplicates=submission.duplicates + 1,
            attribution=Attribution.CONTENDED,
        )
        self.put(changed)
        if submission.attribution is not Attribution.CONTENDED:
            self.facts.append(
                AttributionChanged(
                    at_ms=self.at_ms,
                    submission_id=changed.id,
                    attribution=Attribution.CONTENDED,
                )
            )
            self._tell(changed)
        self.rest()

    def rest(self) -> None:
        """Let the lane rest a settle period from now, an enquiry at its end."""
        until = self.after(self.policy.settle_ms)
        if self.lane.rest_until_ms == until and self.lane.review_ms == until:
            return
        self.lane = replace(self.lane, rest_until_ms=until, review_ms=until, reviews=0)
        self.facts.append(LaneRested(at_ms=self.at_ms, submission_id=None, until=until))

    def _keep_until(self, outcome: Outcome) -> Millis:
        if outcome in UNRESOLVED_OUTCOMES:
            return self.after(self.policy.keep_unresolved_ms)
        return self.at_ms

    def _tell(self, submission: Submission) -> None:
        self.effects.append(Announce(submission.id, submission.version + 1))
        if submission.keep_file_until_ms is not None:
            self.effects.append(ReleaseFile(submission.id, submission.keep_file_until_ms))
