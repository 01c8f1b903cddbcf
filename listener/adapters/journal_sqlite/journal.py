"""The port, on two threads: one writes, in groups, one reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import apsw

from listener.core.errors import JournalFault
from listener.core.evidence import Gap
from listener.core.names import CvCode, Millis, SubmissionId
from listener.ports.event_source import Resume
from listener.ports.gaps import GapAccount, GapRow
from listener.ports.inbound import InboundRow, Placed, Untaken
from listener.ports.journal import (
    Claim,
    FirstLook,
    IdempotencyKey,
    InboxRow,
    LaneCommit,
    LaneRow,
    Query,
    StoredReply,
    StoredSubmission,
    Tally,
    ToldFact,
)
from listener.ports.reaction import Reaction

from . import commits, gap_accounts, hearing, inbound, listings, notes, reactions, reads, retention
from .store import Pragmas, Store, open_store
from .transactions import Health, Transactions
from .worker import Desk, Worker

CUTS, CUT_AGAIN_S = 300, 0.2
"""For a minute: a backup of a gigabyte takes less."""


class SqliteJournal:
    """A Journal in one SQLite file; see the port for what each method promises.

    Everything that was queued while the last fsync ran goes into the next transaction. After a
    fault of the disk every later call raises JournalFault. Made by :meth:`open`, on the loop that
    will use it.
    """

    def __init__(
        self,
        store: Store,
        worker: Callable[[str, Transactions], Desk] = Worker,
        committed: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``worker``: who performs what is given, and when; tests have one on virtual time.
        ``committed`` is told how many seconds each commit took, in the writer's thread; it must not
        raise."""
        self._store = store
        health, pages = Health(), store.pragmas.checkpoint_pages
        begin = "BEGIN IMMEDIATE"
        writing = Transactions(store.path, store.writing, begin, health, pages, committed)
        reading = Transactions(store.path, store.reading, "BEGIN", health)
        self._writer = worker("journal-writer", writing)
        self._reader = worker("journal-reader", reading)
        self._uncut = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        vfs: str | None = None,
        synchronous: str = "FULL",
        checkpoint_pages: int = 4_000,
        committed: Callable[[float], None] = lambda _: None,
    ) -> Self:
        """Open or create the journal at ``path``; an older one is migrated, after a copy.

        ``committed`` as above. The other keywords are for tests: a VFS of apsw that may lose power
        or fail, SQLite's ``synchronous`` (anything below FULL breaks the promise), pages of WAL per
        checkpoint.
        Raises JournalLocked, JournalTooNew or JournalFault.
        """
        pragmas = Pragmas(vfs, synchronous, checkpoint_pages)
        return cls(await _off_loop(path, pragmas), committed=committed)

    async def load_lane(self, code: CvCode) -> LaneRow:
        return await self._reader.submit(partial(reads.load_lane, code=code))

    async def commit(self, commit: LaneCommit) -> int | None:
        prepared = commits.prepare_commit(commit)
        return await self._writer.submit(partial(commits.apply_commit, prepared=prepared))

    async def due_lanes(self, now_ms: Millis, limit: int) -> list[CvCode]:
        return await self._reader.submit(partial(reads.due_lanes, now_ms=now_ms, limit=limit))

    async def next_due_ms(self) -> Millis | None:
        return await self._reader.submit(reads.next_due_ms)

    async def lanes(self) -> list[CvCode]:
        return await self._reader.submit(reads.lanes)

    async def first_look(self) -> FirstLook:
        return await self._reader.submit(notes.first_look)

    async def claim_lane(
        self, code: CvCode, owner: str, now_ms: Millis, until_ms: Millis
    ) -> Claim | None:
        return await self._writer.submit(
            partial(commits.claim_lane, code=code, owner=owner, now_ms=now_ms, until_ms=until_ms)
        )

    async def release_lane(self, claim: Claim) -> None:
        await self._writer.submit(partial(commits.release_lane, claim=claim))

    async def append_events(self, rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
        await self._writer.submit(partial(hearing.append_events, rows=tuple(rows), resume=resume))

    async def append_inbound(
        self, events: Sequence[InboundRow], rows: Sequence[InboxRow], resume: Resume | None = None
    ) -> list[Placed]:
        kept, heard = tuple(events), tuple(rows)
        return await self._writer.submit(
            partial(inbound.append_inbound, events=kept, rows=heard, resume=resume)
        )

    async def first_inbound(self, handler: str) -> Untaken | None:
        return await self._reader.submit(partial(inbound.first_inbound, handler=handler))

    async def finish_inbound(self, handler: str, sequence: int) -> None:
        await self._writer.submit(
            partial(inbound.finish_inbound, handler=handler, sequence=sequence)
        )

    async def postpone_inbound(self, handler: str, sequence: int, due_ms: Millis) -> None:
        await self._writer.submit(
            partial(inbound.postpone_inbound, handler=handler, sequence=sequence, due_ms=due_ms)
        )

    async def hasten_inbound(self, handler: str, now_ms: Millis) -> None:
        await self._writer.submit(partial(inbound.hasten_inbound, handler=handler, now_ms=now_ms))

    async def expire_inbound(self, heard_before_ms: Millis) -> dict[tuple[str, str], int]:
        return await self._writer.submit(
            partial(inbound.expire_inbound, heard_before_ms=heard_before_ms)
        )

    async def inbound_waiting(self) -> dict[str, int]:
        return await self._reader.submit(inbound.inbound_waiting)

    async def undisposed(self) -> list[InboxRow]:
        return await self._reader.submit(reads.undisposed)

    async def highest_seq(self) -> int:
        return await self._reader.submit(reads.highest_seq)

    async def resume_cursor(self) -> Resume:
        return await self._reader.submit(reads.resume_cursor)

    async def store_resume(self, resume: Resume) -> None:
        await self._writer.submit(partial(hearing.store_resume, resume=resume))

    async def mark_alive(self, at_ms: Millis) -> None:
        await self._writer.submit(partial(hearing.mark_alive, at_ms=at_ms))

    async def last_alive_ms(self) -> Millis | None:
        return await self._reader.submit(reads.last_alive_ms)

    async def open_gap(self, gap: Gap) -> None:
        await self._writer.submit(partial(hearing.open_gap, gap=gap))

    async def close_gap(self, end_ms: Millis, reason: str) -> Gap | None:
        return await self._writer.submit(partial(hearing.close_gap, end_ms=end_ms, reason=reason))

    async def drop_gap(self) -> None:
        await self._writer.submit(hearing.drop_gap)

    async def gaps_since(self, since_ms: Millis) -> list[Gap]:
        return await self._reader.submit(partial(reads.gaps_since, since_ms=since_ms))

    async def gaps(self, before: int | None, limit: int) -> list[GapRow]:
        return await self._reader.submit(partial(gap_accounts.gaps, before=before, limit=limit))

    async def gap_account(self, gap: Gap) -> GapAccount:
        return await self._reader.submit(partial(gap_accounts.gap_account, gap=gap))

    async def ripe_gaps(self, limit: int) -> list[GapRow]:
        return await self._reader.submit(partial(gap_accounts.ripe_gaps, limit=limit))

    async def settle_gaps(self, rows: Sequence[GapRow], at_ms: Millis) -> None:
        await self._writer.submit(partial(gap_accounts.settle_gaps, rows=tuple(rows), at_ms=at_ms))

    async def submission(self, submission_id: SubmissionId) -> StoredSubmission | None:
        return await self._reader.submit(partial(reads.submission, submission_id=submission_id))

    async def submissions(self, query: Query) -> list[StoredSubmission]:
        return await self._reader.submit(partial(listings.submissions, query=query))

    async def codes(self, after: CvCode | None, limit: int) -> list[CvCode]:
        return await self._reader.submit(partial(listings.codes, after=after, limit=limit))

    async def add_refs(self, refs: Sequence[tuple[str, CvCode]]) -> None:
        await self._writer.submit(partial(listings.add_refs, refs=tuple(refs)))

    async def facts_after(self, sequence: int, limit: int) -> list[ToldFact]:
        return await self._reader.submit(partial(reads.facts_after, sequence=sequence, limit=limit))

    async def last_sequence(self) -> int:
        return await self._reader.submit(reads.last_sequence)

    async def facts_of(self, submission_id: SubmissionId) -> list[tuple[Millis, str, str]]:
        return await self._reader.submit(partial(reads.facts_of, submission_id=submission_id))

    async def idempotency(self, key: str, now_ms: Millis) -> IdempotencyKey | None:
        return await self._reader.submit(partial(reads.idempotency, key=key, now_ms=now_ms))

    async def reply(self, submission_id: SubmissionId) -> StoredReply | None:
        return await self._reader.submit(partial(reads.reply, submission_id=submission_id))

    async def tally(self) -> Tally:
        return await self._reader.submit(reads.tally)

    async def due_reactions(self, handler: str, now_ms: Millis, limit: int) -> list[Reaction]:
        return await self._reader.submit(
            partial(reads.due_reactions, handler=handler, now_ms=now_ms, limit=limit)
        )

    async def give_out(
        self,
        announced: Sequence[tuple[SubmissionId, int]],
        handlers: Sequence[str],
        told: bool,
    ) -> None:
        pairs, names = tuple(announced), tuple(handlers)
        await self._writer.submit(
            partial(reactions.give_out, announced=pairs, handlers=names, told=told)
        )

    async def finish_reaction(
        self, submission_id: SubmissionId, version: int, handler: str
    ) -> None:
        await self._writer.submit(
            partial(
                reactions.finish_reaction,
                submission_id=submission_id,
                version=version,
                handler=handler,
            )
        )

    async def postpone_reaction(
        self, submission_id: SubmissionId, version: int, handler: str, due_ms: Millis
    ) -> None:
        await self._writer.submit(
            partial(
                reactions.postpone_reaction,
                submission_id=submission_id,
                version=version,
                handler=handler,
                due_ms=due_ms,
            )
        )

    async def hasten_reactions(self, handler: str, now_ms: Millis) -> None:
        await self._writer.submit(
            partial(reactions.hasten_reactions, handler=handler, now_ms=now_ms)
        )

    async def reactions_waiting(self) -> dict[str, int]:
        return await self._reader.submit(reads.reactions_waiting)

    async def files_due(self, now_ms: Millis, limit: int) -> list[SubmissionId]:
        return await self._reader.submit(partial(reads.files_due, now_ms=now_ms, limit=limit))

    async def files_kept(self) -> list[SubmissionId]:
        return await self._reader.submit(reads.files_kept)

    async def files_gone(self, ids: Sequence[SubmissionId]) -> None:
        await self._writer.submit(partial(retention.files_gone, ids=tuple(ids)))

    async def purge(self, closed_before_ms: Millis) -> int:
        """In slices: what others write in between does not wait for all of it."""
        purged = 0
        purge_submissions = partial(retention.purge_submissions, before=closed_before_ms)
        while count := await self._writer.submit(purge_submissions):
            purged += count
        while await self._writer.submit(partial(retention.purge_rest, before=closed_before_ms)):
            pass
        await self._remove_backups(closed_before_ms)
        if self._uncut:
            await self._cut()
        return purged

    async def purgeable(self, closed_before_ms: Millis) -> int:
        return await self._reader.submit(partial(retention.purgeable, before=closed_before_ms))

    async def forget(self, code: CvCode) -> int:
        """Also from the write-ahead log, and the copies made before migrations go with it. While
        another program reads (a backup is taken) the log cannot be cut: that is waited for, and
        where it takes too long the next purge does it."""
        self._uncut = True
        count = await self._writer.submit(partial(retention.forget, code=code))
        await self._remove_backups(None)
        for _ in range(CUTS):
            if await self._cut():
                break
            await asyncio.sleep(CUT_AGAIN_S)
        return count

    async def _cut(self) -> bool:
        self._uncut = not await self._writer.submit(retention.empty_wal, alone=True)
        return not self._uncut

    async def note(self, name: str) -> str | None:
        return await self._reader.submit(partial(notes.note, name=name))

    async def set_note(self, name: str, value: str | None) -> None:
        await self._writer.submit(partial(notes.set_note, name=name, value=value))

    async def prove(self) -> None:
        await self._writer.submit(notes.prove)

    def commit_p99_ms(self) -> float | None:
        times = sorted(self._writer.commit_ms)
        return times[int(len(times) * 0.99)] if times else None

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()
        self._store.lock.release()

    async def _remove_backups(self, older_than_ms: Millis | None) -> None:
        try:
            await asyncio.to_thread(retention.remove_backups, self._store.path, older_than_ms)
        except OSError as error:
            raise JournalFault(
                "expected to delete old backup copies beside the journal, found "
                f"{error.strerror or error}; delete {self._store.path}.v*.backup by hand"
            ) from error


async def _off_loop(path: Path, pragmas: Pragmas) -> Store:
    """Open in a thread; a caller cancelled meanwhile leaves nothing open."""
    opening = asyncio.ensure_future(asyncio.to_thread(open_store, path, pragmas))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_discard)
        raise


def _discard(opening: asyncio.Future[Store]) -> None:
    if opening.cancelled() or opening.exception() is not None:
        return
    store = opening.result()
    connections: tuple[apsw.Connection, ...] = (store.writing, store.reading)
    for connection in connections:
        connection.close()
    store.lock.release()
