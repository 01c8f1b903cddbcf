"""Bugs that a hurried hand could make, as switches for tests alone: the net must catch each.

Each is a patch of the product, taken back when its test is over. ``PLANTS`` names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import apsw
import pytest

from listener.adapters.journal_sqlite import SqliteJournal, gap_accounts, reads, transactions
from listener.adapters.journal_sqlite.transactions import Job, Transactions
from listener.core import correlation, draft, enquiry, restart, sending, standing, transitions
from listener.core.draft import Draft
from listener.core.evidence import Gap, Heard
from listener.core.inputs import Restarted
from listener.core.names import (
    Attribution,
    Disposition,
    Outcome,
    State,
    SubmissionId,
)
from listener.core.submission import Lane, Submission
from listener.ports.event_source import Resume
from listener.ports.gaps import GapAccount, GapRow
from listener.service import (
    dispatcher,
    ear,
    engine,
    gap_book,
    gates,
    intake,
    reactor,
    strangers,
    timers,
)
from tests.core.exploration.test_planted_faults import (
    a_moved_record_is_sent_again,
    a_refused_one_is_forgotten_at_once,
    an_event_confirms_what_was_never_sent,
    resend_on_timeout_without_enquiry,
)
from tests.fakes.source_scripted import ScriptedConnection

Patch = pytest.MonkeyPatch


def acknowledge_before_commit(patch: Patch) -> None:
    """The answer is given while the transaction is open; its COMMIT comes a little later."""

    def perform(self: Transactions, batch: list[Job]) -> None:
        if not self._begin.endswith("IMMEDIATE"):
            real(self, batch)
            return
        try:
            self._db.execute(self._begin)
            for job in batch:
                job.result = job.run(self._db)
        except Exception:  # noqa: BLE001  whatever goes wrong is the real one's to deal with
            self._db.execute("ROLLBACK")
            real(self, batch)

    def checkpoint_if_due(self: Transactions) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    real = Transactions.perform
    patch.setattr(transactions.Transactions, "perform", perform)
    patch.setattr(transactions.Transactions, "checkpoint_if_due", checkpoint_if_due)


def resend_on_timeout(patch: Patch) -> None:
    """An attempt that may have been applied is sent again at once."""
    resend_on_timeout_without_enquiry(patch)


def resend_blindly(patch: Patch) -> None:
    """Whatever the record says, it says "unmoved"."""
    a_moved_record_is_sent_again(patch)


def settle_at_once(patch: Patch) -> None:
    """No settle period: what is not applied yet counts as never applied."""

    def decide_doubt(draft: Any, owner: Any, moved: Any, read_ms: int) -> None:
        real(draft, owner, moved, max(read_ms, owner.settle_ms or 0))

    def resend(draft: Any, submission: Any, reading: Any) -> Any:
        return sends(draft, replace(submission, settle_ms=None), reading)

    real, sends = enquiry._decide_doubt, sending._resend
    patch.setattr(enquiry, "_decide_doubt", decide_doubt)
    patch.setattr(sending, "_resend", resend)
    patch.setattr(standing, "last_end_ms", lambda _: 0)


def apply_a_duplicate(patch: Patch) -> None:
    """A second event of a confirmed update is given to the next of the lane, sent or not."""

    def correlate_closed(draft: Draft, heard: Heard) -> None:
        waiting = next(standing.open_submissions(draft.lane), None)
        if waiting is not None and waiting.state is State.QUEUED:
            draft.dispose(heard, Disposition.CONFIRMED, waiting.id)
            draft.close(waiting, Outcome.CONFIRMED, None, Attribution.EXCLUSIVE, heard)
        else:
            real(draft, heard)

    real = correlation.correlate_closed
    patch.setattr(correlation, "correlate_closed", correlate_closed)


def confirm_by_an_event_from_before_sending(patch: Patch) -> None:
    """An event confirms the first of its lane that is open, also where it was never sent."""
    an_event_confirms_what_was_never_sent(patch)


def believe_every_event(patch: Patch) -> None:
    """No event is ever somebody else's."""
    for question in ("contended", "told_again"):
        patch.setattr(draft, question, lambda *_: False)


def believe_what_is_told_twice(patch: Patch) -> None:
    """A second event of a confirmed update confirms the next one of the lane, as its own."""
    patch.setattr(draft, "told_again", lambda *_: False)


def forget_a_refused_one_at_once(patch: Patch) -> None:
    """What the upstream refused leaves its lane as it closes: an event after that is nobody's."""
    a_refused_one_is_forgotten_at_once(patch)


def forget_strangers_at_once(patch: Patch) -> None:
    """An event of a code that has no lane yet is nothing to the update that comes next."""
    patch.setattr(strangers.LastHeard, "note", lambda *_: None)


def forget_the_inbox_on_restart(patch: Patch) -> None:
    """What was journaled and not correlated when the process died stays so."""
    patch.setattr(reads, "undisposed", lambda _: [])


def forget_what_was_held(patch: Patch) -> None:
    """What was heard during sending is dropped at the attempt's end."""
    patch.setattr(sending, "apply_held", lambda _, owner: owner)


def lane_of_two(patch: Patch) -> None:
    """Nothing of a lane is ever in flight, as far as sending asks."""

    def first_queued(lane: Lane, _: object) -> Submission | None:
        return next((s for s in lane.submissions if s.state is State.QUEUED), None)

    for room in (sending, dispatcher, transitions):
        patch.setattr(room, "sendable", first_queued)


def save_the_offset_before_the_event(patch: Patch) -> None:
    """The cursor is committed in a transaction of its own, ahead of what it stands for."""

    async def append(
        self: SqliteJournal, rows: Sequence[Any], resume: Resume | None = None
    ) -> None:
        if resume is not None:
            await self.store_resume(resume)
        await real(self, rows)

    real = SqliteJournal.append_events
    patch.setattr(SqliteJournal, "append_events", append)


def lose_a_wake_up(patch: Patch) -> None:
    """A commit sets a time, and the sleeping timers are not told: they sleep on."""
    patch.setattr(timers.Timers, "note", lambda *_: None)
    patch.setattr(timers, "LONGEST_SLEEP_MS", 1 << 40)


def lose_the_offer_of_a_lane(patch: Patch) -> None:
    """What became sendable while its lane was busy is not offered again."""

    def offer(self: dispatcher.Dispatcher, code: Any, submission_id: Any, not_before: Any) -> None:
        if not self._busy:
            real(self, code, submission_id, not_before)

    real = dispatcher.Dispatcher.offer
    patch.setattr(dispatcher.Dispatcher, "offer", offer)


def deadlines_in_memory_alone(patch: Patch) -> None:
    """The journal is told of no timer."""
    patch.setattr(engine, "due_ms", lambda *_: None)


def delete_the_file_before_the_close(patch: Patch) -> None:
    """A file counts as due as soon as its submission is, whatever its state."""

    def files_due(db: apsw.Connection, now_ms: int, limit: int) -> list[SubmissionId]:
        sql = "SELECT id FROM submissions WHERE file_gone = 0 AND created_ms <= ? LIMIT ?"
        return [SubmissionId(name) for (name,) in db.execute(sql, (now_ms, limit))]

    patch.setattr(reads, "files_due", files_due)


def never_sweep_the_spool(patch: Patch) -> None:
    """Files stay when their submissions close."""
    patch.setattr(reads, "files_due", lambda *_, **__: [])


def crashed_is_not_sent(patch: Patch) -> None:
    """What was being sent when the process died is taken as not sent."""

    def restart_one(draft: Draft, submission: Submission) -> None:
        if submission.state is State.SENDING:
            attempts = submission.attempts[:-1]
            draft.put(replace(submission, state=State.QUEUED, attempts=attempts))
        else:
            real(draft, submission)

    real = restart._restart_one
    patch.setattr(restart, "_restart_one", restart_one)
    allowed = transitions.TABLE[State.SENDING, Restarted] | {State.QUEUED}
    patch.setitem(cast(Any, transitions.TABLE), (State.SENDING, Restarted), allowed)


def no_gap_at_the_start(patch: Patch) -> None:
    """A process that starts does not say that it was deaf until now."""

    async def open_gap(self: SqliteJournal, gap: Any) -> None:
        if gap.reason != "started":
            await real(self, gap)

    real = SqliteJournal.open_gap
    patch.setattr(SqliteJournal, "open_gap", open_gap)


def no_word_of_listening(patch: Patch) -> None:
    """The sign of life is written by the clock alone, and not when a subscription stands."""

    async def on_listening(self: ear.Hearer, signal: Any) -> None:
        self._journal = _SignlessJournal(self._journal)
        await real(self, signal)

    real = ear.Hearer._on_listening
    patch.setattr(ear.Hearer, "_on_listening", on_listening)


class _SignlessJournal:
    def __init__(self, real: Any) -> None:
        self._real = real

    async def mark_alive(self, at_ms: int) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def finish_a_reaction_before_its_handler(patch: Patch) -> None:
    """The journal is told that handlers ran before they did."""

    async def prepare(self: reactor.Outcomes, errand: Any) -> Any:
        await self.finish(errand, errand.version)
        return await real(self, errand)

    real = reactor.Outcomes.prepare
    patch.setattr(reactor.Outcomes, "prepare", prepare)


def no_line_told_again(patch: Patch) -> None:
    """A canonical line that a crash took is not written after it."""
    patch.setattr(reactor, "retell", lambda *_: None)


def forget_the_idempotency_key(patch: Patch) -> None:
    """A client that asks again, because it was not answered, is a new submission."""

    async def none(*_: object, **__: object) -> None:
        return None

    patch.setattr(SqliteJournal, "idempotency", none)
    patch.setattr(intake.Intake, "_accept", _accept_without_key(intake.Intake._accept))


def _accept_without_key(real: Callable[..., Any]) -> Callable[..., Any]:
    async def accept(
        self: Any, code: Any, submission_id: Any, facts: Any, _: Any, retry: Any
    ) -> Any:
        return await real(self, code, submission_id, facts, None, retry)

    return accept


def offer_a_session_that_lives(patch: Patch) -> None:
    """A session is offered though the server may hold an older connection of it for alive."""

    async def let_go(*_: object) -> bool:
        return True

    patch.setattr(ScriptedConnection, "_let_go", let_go)


def trust_the_clock_between_runs(patch: Patch) -> None:
    """Timers of an earlier run are held against the new run's clock as they are."""

    def restart_one(draft: Draft, submission: Submission) -> None:
        if submission.state is State.SENDING:
            real(draft, submission)
        elif standing.possibly_sent(submission):
            draft.put(replace(submission, enquire_ms=draft.at_ms))
        else:
            draft.put(submission)

    real = restart._restart_one
    patch.setattr(restart, "_restart_one", restart_one)


def settle_what_is_still_open(patch: Patch) -> None:
    """A gap's account is settled at its end, and counts what has closed by then alone."""

    def gap_account(db: apsw.Connection, gap: Gap) -> GapAccount:
        return replace(real(db, gap), open=0)

    real = gap_accounts.gap_account
    patch.setattr(gap_accounts, "gap_account", gap_account)
    patch.setattr(gap_accounts, "_RIPE", gap_accounts._RIPE.replace("closed_ms IS NULL", "FALSE"))


def settle_a_gap_before_its_line(patch: Patch) -> None:
    """The account is crossed off first, and told then."""

    async def settle(self: gap_book.GapBook, rows: Sequence[GapRow], **_: bool) -> None:
        await self._journal.settle_gaps(rows, self._clock.now_ms())
        for row in rows:
            if row.account.touched:
                self._tell(row, False)

    patch.setattr(gap_book.GapBook, "_settle", settle)


def forget_the_quiet_on_restart(patch: Patch) -> None:
    """A new process knows nothing of the quiet that an earlier one was asked for."""
    patch.setattr(restart, "_hold_again", lambda *_: None)


def look_at_the_gates_once(patch: Patch) -> None:
    """What shuts while the baseline is read stops nothing any more."""
    patch.setattr(gates.Gates, "hold_good", lambda *_: True)


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug. ``caught_by``: how the violation begins that must show it (any, where empty)."""

    plant: Callable[[Patch], None]
    caught_by: str = ""

    @property
    def name(self) -> str:
        """As the page of proofs has it."""
        return self.plant.__name__.replace("_", " ")

    @property
    def meaning(self) -> str:
        """One sentence."""
        return " ".join((self.plant.__doc__ or "").split())


PLANTS = (
    Plant(acknowledge_before_commit, "I1"),
    Plant(resend_on_timeout, "I4"),
    Plant(resend_blindly, "I4"),
    Plant(settle_at_once, "I4"),
    Plant(apply_a_duplicate, "I2"),
    Plant(confirm_by_an_event_from_before_sending, "I2"),
    Plant(believe_every_event, "I2"),
    Plant(believe_what_is_told_twice, "I2"),
    Plant(forget_a_refused_one_at_once, "I5"),
    Plant(forget_strangers_at_once, "I2"),
    Plant(forget_the_inbox_on_restart, "I5"),
    Plant(forget_what_was_held, "I5"),
    Plant(lane_of_two, "I3"),
    Plant(save_the_offset_before_the_event, "P4"),
    Plant(lose_a_wake_up),
    Plant(lose_the_offer_of_a_lane, "I9"),
    Plant(deadlines_in_memory_alone, "I1"),
    Plant(delete_the_file_before_the_close),
    Plant(never_sweep_the_spool, "I10"),
    Plant(crashed_is_not_sent, "I4"),
    Plant(no_gap_at_the_start, "P4"),
    Plant(no_word_of_listening, "P4"),
    Plant(finish_a_reaction_before_its_handler, "I6"),
    Plant(no_line_told_again, "I7"),
    Plant(forget_the_idempotency_key, "I1"),
    Plant(trust_the_clock_between_runs),
    Plant(offer_a_session_that_lives),
    Plant(settle_what_is_still_open, "gaps"),
    Plant(settle_a_gap_before_its_line, "gaps"),
    Plant(forget_the_quiet_on_restart, "quiet"),
    Plant(look_at_the_gates_once, "quiet"),
)
