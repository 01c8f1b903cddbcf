"""The service's face to its doors: implements ``ports.front.Front``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import orjson

from listener.core.errors import JournalFault
from listener.core.names import Gate, Millis, State, SubmissionId, WaitingFor
from listener.core.retry import REDISPATCHED
from listener.core.retry import shown as drift_shown
from listener.core.submission import Lane
from listener.core.view import public, retried_by, rfc3339
from listener.core.wire import check_code
from listener.ports.clock import Clock
from listener.ports.event_source import Overhears, Watching
from listener.ports.front import (
    Awaited,
    Filter,
    Forget,
    Forgotten,
    GapListing,
    Listing,
    News,
    OpenFile,
    Place,
    Public,
    Retry,
    Sending,
    Taken,
    Turned,
)
from listener.ports.journal import Journal, Query, StoredSubmission, Tally, ToldFact
from listener.ports.log import Log
from listener.ports.upstream import NoReply, RawReply, Upstream
from listener.ports.vitals import Liveness, Quiet, Readiness, Vitals

from .gap_book import public_gap
from .intake import Declined
from .overhearing import Silent
from .replies import replied, timed_out
from .retrying import Look, sent_again
from .service import Service, World
from .vital_signs import VitalSigns

PLACES = 999_999
"""Beyond the facts of any one commit."""


class ServiceFront:
    """Thin: asks the service's rooms, and shows what they say in the public form."""

    def __init__(self, service: Service, world: World) -> None:
        self._service = service
        self._journal: Journal = world.journal
        self._clock: Clock = world.clock
        self._log: Log = world.log
        self._upstream: Upstream = world.upstream
        self._new_id = world.new_id
        self._overhears: Overhears = world.overhears or Silent()
        self._signs = VitalSigns(service, world)

    async def submit(
        self,
        code_text: str,
        chunks: AsyncIterator[bytes],
        name: str,
        *,
        idempotency_key: str | None = None,
        key_since_ms: Millis | None = None,
        retry_of: SubmissionId | None = None,
        join: bool = False,
    ) -> Taken | Turned:
        """As the port says."""
        if (closed := self._closed()) is not None:
            return closed
        answer = await self._service.intake.submit(
            code_text,
            chunks,
            name,
            idempotency_key=idempotency_key,
            key_since_ms=key_since_ms,
            retry_of=retry_of,
            join=join,
        )
        if isinstance(answer, Declined):
            return Turned(answer.reason)
        found = await self.submission(answer.submission_id)
        if found is None:
            raise JournalFault(
                "expected the journal to know a submission that it accepted, found none"
            )
        return Taken(found, answer.repeated)

    async def submission(self, submission_id: SubmissionId) -> Public | None:
        """As the port says."""
        found = await self._service.submission(submission_id)
        return None if found is None else await self._with_retry(*found)

    async def story(self, submission_id: SubmissionId) -> Public | None:
        """As the port says."""
        return await self._service.telling.story(submission_id)

    def overhear(self) -> AbstractContextManager[Watching]:
        """As the port says."""
        return self._overhears.watch()

    async def submissions(self, wanted: Filter) -> Listing:
        """As the port says."""
        if wanted.cv_ref is not None:
            await self._service.references.renew()
        found = await self._journal.submissions(
            Query(
                state=wanted.state,
                outcome=wanted.outcome,
                open=wanted.open,
                attribution=wanted.attribution,
                late=wanted.late,
                retry_of=wanted.retry_of,
                needs_person=wanted.needs_person,
                ref=wanted.cv_ref,
                created_from_ms=wanted.created_from_ms,
                created_to_ms=wanted.created_to_ms,
                before=wanted.before,
                limit=wanted.limit + 1,
            )
        )
        page = found[: wanted.limit]
        shown = tuple([await self._with_retry(s, await self._lane_of(s)) for s in page])
        return Listing(shown, page[-1].submission.id if len(found) > wanted.limit else None)

    async def gaps(self, before: int | None, limit: int) -> GapListing:
        """As the port says."""
        found = await self._journal.gaps(before, limit + 1)
        page, now_ms = found[:limit], self._clock.now_ms()
        shown = tuple(public_gap(row, now_ms) for row in page)
        return GapListing(shown, page[-1].number if len(found) > limit else None)

    async def cancel(self, submission_id: SubmissionId) -> Public | Turned | None:
        """As the port says."""
        if (closed := self._closed()) is not None:
            return closed
        if await self._service.intake.cancel(submission_id) is None:
            return None
        return await self.submission(submission_id)

    async def retry(
        self,
        submission_id: SubmissionId,
        file: OpenFile | None,
        *,
        force: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Retry | Turned | None:
        """As the port says."""
        if (closed := self._closed()) is not None:
            return closed
        retrying, sent = self._service.retrying, file is not None
        if dry_run:
            look = await retrying.look(submission_id, sent=sent)
            if look is None:
                return None
            return Retry(self._looked_at(look, sent), None, look.objection)
        found = await retrying.retry(
            submission_id, file, force=force, idempotency_key=idempotency_key
        )
        if found is None:
            return None
        if isinstance(found.answer, Declined):
            return Turned(found.answer.reason)
        told, new = self._looked_at(found.look, sent), None
        if found.answer is None:
            return Retry(told, None, found.objection)
        new = await self.submission(found.answer.submission_id)
        return Retry(told, new, None, found.answer.repeated)

    def _looked_at(self, look: Look, sent: bool) -> Public:
        return {
            "retry_of": self._show(look.old, None),
            "file": "sent" if sent else "kept" if look.kept else "gone",
            "redispatches": list(REDISPATCHED),
            "deletes_stored_file": True,
            "drift": drift_shown(look.old.submission, look.drift),
        }

    async def wait_closed(self, submission_id: SubmissionId, timeout_s: float) -> Public | None:
        """As the port says."""
        with self._service.bulletin.watch(submission_id) as news:
            shown = await self.submission(submission_id)
            try:
                async with asyncio.timeout(timeout_s):
                    while shown is not None and shown["state"] != State.CLOSED:
                        await news.wait()
                        news.clear()
                        shown = await self.submission(submission_id)
            except TimeoutError:
                return await self.submission(submission_id)
        return shown

    async def wait_reply(
        self, submission_id: SubmissionId, timeout_s: float, *, until_closed: bool = False
    ) -> Awaited | None:
        """As the port says."""
        with self._service.bulletin.watch(submission_id) as news:
            await self._service.replies.recall(submission_id)
            found = await self._await(submission_id)
            try:
                async with asyncio.timeout(timeout_s):
                    while found is not None and not _far_enough(found, until_closed):
                        await news.wait()
                        news.clear()
                        found = await self._await(submission_id, found)
            except TimeoutError:
                return await self._await(submission_id, found)
        return found

    async def _await(
        self, submission_id: SubmissionId, before: Awaited | None = None
    ) -> Awaited | None:
        """How far it is. A last word that was there before is the last one still."""
        found = await self._service.submission(submission_id)
        if found is None:
            return None
        submission = found[0].submission
        said = self._service.replies.last_word(submission)
        if said is None and before is not None:
            said = before.reply
        last = submission.attempts[-1].result if submission.attempts else None
        return Awaited(
            self._show(*found),
            said,
            replied(submission),
            timed_out(submission),
            None if last is None else last.http_status,
        )

    async def word_delivered(self, submission_id: SubmissionId) -> None:
        """As the port says."""
        await self._service.owed.delivered(submission_id)

    async def word_undelivered(self, submission_id: SubmissionId) -> None:
        """As the port says."""
        await self._service.owed.undelivered(submission_id)

    async def fetch_record(self, code_text: str) -> RawReply | NoReply:
        """As the port says."""
        code = check_code(code_text)
        return await self._upstream.fetch_record(code, request_id=f"{self._new_id()}-get")

    async def forget(self, wanted: Forget, *, dry_run: bool = False) -> Forgotten | Turned | None:
        """As the port says."""
        if (closed := self._closed()) is not None:
            return closed
        forgetting = self._service.forgetting
        if wanted.older_than_ms is not None:
            return await forgetting.older_than(wanted.older_than_ms, dry_run=dry_run)
        if wanted.submission_id is None:
            return await forgetting.code(check_code(wanted.code_text or ""), dry_run=dry_run)
        stored = await self._journal.submission(wanted.submission_id)
        return None if stored is None else await forgetting.code(stored.code, dry_run=dry_run)

    def sending(self) -> Sending:
        """As the port says."""
        service = self._service
        draining, dispatcher = service.draining, service.dispatcher
        quiet = Quiet(Gate.DRAINING, None) if draining else dispatcher.quiet
        return Sending(service.pause.since_ms, draining, dispatcher.in_flight, quiet)

    async def pause(self) -> Sending:
        """As the port says."""
        await self._service.pause.pause()
        return self.sending()

    async def resume(self) -> Sending:
        """As the port says."""
        await self._service.pause.resume()
        return self.sending()

    def drain(self) -> Sending:
        """As the port says."""
        self._service.stop()
        return self.sending()

    async def readiness(self) -> Readiness:
        """As the port says."""
        return await self._signs.readiness()

    async def alive(self) -> Liveness:
        """As the port says."""
        return await self._signs.alive()

    async def vitals(self) -> Vitals:
        """As the port says."""
        return await self._signs.vitals()

    async def news(self, after: Place, limit: int) -> list[News]:
        """As the port says."""
        # From the commit before: what of this one comes after its place is still to be told.
        found = await self._journal.facts_after(after.sequence - 1, limit + 1)
        return [
            self._told(fact)
            for fact in found
            if (fact.sequence, fact.place) > (after.sequence, after.place)
        ]

    async def latest(self) -> Place:
        """As the port says."""
        return Place(await self._journal.last_sequence(), PLACES)

    async def wait_news(self, after: Place, timeout_s: float) -> None:
        """As the port says."""
        told = self._service.bulletin.next_of_any()
        if await self._journal.last_sequence() > after.sequence:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await told.wait()

    def _told(self, fact: ToldFact) -> News:
        values = orjson.loads(fact.body)
        at = rfc3339(values.pop("at_ms"))
        values = {name: value for name, value in values.items() if value is not None}
        for name in ("until", "retry_at"):
            if name in values:
                values[name] = rfc3339(values[name])
        values |= {"event": fact.event, "at": at, "cv_ref": self._log.ref(fact.code)}
        values["sequence"] = f"{fact.sequence}.{fact.place}"
        return News(Place(fact.sequence, fact.place), fact.event, values)

    async def tally(self) -> Tally:
        """As the port says."""
        return await self._journal.tally()

    def failed(self, fault: JournalFault) -> None:
        """As the port says."""
        self._service.fail(fault)

    def _closed(self) -> Turned | None:
        if self._service.draining:
            return Turned("draining")
        if not self._service.ready.is_set():
            return Turned("starting")
        return None

    async def _lane_of(self, stored: StoredSubmission) -> Lane | None:
        """Only of a queued one does the lane say what it waits for."""
        if stored.submission.state is not State.QUEUED:
            return None
        return await self._service.engine.lane(stored.code)

    async def _with_retry(self, stored: StoredSubmission, lane: Lane | None) -> Public:
        shown = self._show(stored, lane)
        again = await sent_again(self._journal, stored.submission)
        return shown if again is None else {**shown, "retried_by": retried_by(again)}

    def _show(self, stored: StoredSubmission, lane: Lane | None) -> Public:
        shown = public(stored.submission, self._log.ref(stored.code), lane, self._clock.now_ms())
        paused = self._service.pause.since_ms is not None
        if shown["waiting_for"] is WaitingFor.SENDING and paused:
            shown["waiting_for"] = WaitingFor.RESUME
        return shown


def _far_enough(awaited: Awaited, until_closed: bool) -> bool:
    closed = awaited.submission["state"] == State.CLOSED
    return closed or (awaited.replied and not until_closed)
