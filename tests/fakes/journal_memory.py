"""A Journal in memory, for tests and simulation. It passes the same contract suite as SQLite's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import orjson

from listener.core import outcomes
from listener.core.errors import JournalFault
from listener.core.evidence import Gap
from listener.core.facts import Fact
from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.standing import first_sent
from listener.core.submission import Lane, Submission
from listener.ports.event_source import Resume
from listener.ports.gaps import GapAccount, GapRow
from listener.ports.inbound import BACKLOG_MOST, InboundRow, Placed, Untaken
from listener.ports.journal import (
    KEY_KEPT_MS,
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
from listener.ports.reaction import ANNOUNCED, Reaction


@dataclass
class _StoredLane:
    lane: Lane
    version: int
    due_ms: Millis | None


@dataclass
class _Kept:
    """What survives a restart."""

    lanes: dict[CvCode, _StoredLane] = field(default_factory=dict)
    submissions: dict[SubmissionId, StoredSubmission] = field(default_factory=dict)
    files_gone: set[SubmissionId] = field(default_factory=set)
    facts: dict[SubmissionId, list[Fact]] = field(default_factory=dict)
    told: list[tuple[int, CvCode, tuple[Fact, ...]]] = field(default_factory=list)
    last_sequence: int = 0
    inbox: dict[int, InboxRow] = field(default_factory=dict)
    resume: Resume = field(default_factory=Resume)
    alive_ms: Millis | None = None
    gaps: list[GapRow] = field(default_factory=list)
    keys: dict[str, IdempotencyKey] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    refs: set[tuple[str, CvCode]] = field(default_factory=set)
    reactions: dict[tuple[SubmissionId, int, str], Reaction] = field(default_factory=dict)
    claims: dict[CvCode, Claim] = field(default_factory=dict)
    replies: dict[SubmissionId, StoredReply] = field(default_factory=dict)
    inbound: dict[tuple[str, int], Untaken] = field(default_factory=dict)
    last_inbound: int = 0
    last_token: int = 0
    noted_seq: int = 0
    removed_version: int = 0


async def _at_once() -> None:
    await asyncio.sleep(0)


class MemoryJournal:
    """Each write is applied whole between two awaits of ``pause``: a caller cancelled in the first
    wrote nothing, one cancelled in the second wrote all and does not know it."""

    def __init__(
        self, *, pause: Callable[[], Awaitable[None]] = _at_once, kept: _Kept | None = None
    ) -> None:
        self._kept = kept or _Kept()
        self._pause = pause
        self._fault: str | None = None
        self._closed = False
        self._writes = 0

    def reopened(self) -> MemoryJournal:
        """What the next process finds: all that was written. This one is closed for good."""
        self._closed = True
        return MemoryJournal(pause=self._pause, kept=self._kept)

    def break_down(self, why: str) -> None:
        """From now on every call raises JournalFault, as after a failed fsync."""
        self._fault = why

    async def load_lane(self, code: CvCode) -> LaneRow:
        self._check()
        stored = self._kept.lanes.get(code)
        if stored is None:
            return LaneRow(code, Lane(), 0)
        members = (self._kept.submissions[s.id].submission for s in stored.lane.submissions)
        return LaneRow(code, replace(stored.lane, submissions=tuple(members)), stored.version)

    async def commit(self, commit: LaneCommit) -> int | None:
        _check_text(commit)
        await self._before()
        version = self._apply(commit)
        await self._after()
        return version

    async def due_lanes(self, now_ms: Millis, limit: int) -> list[CvCode]:
        self._check()
        due = [(s.due_ms, c) for c, s in self._kept.lanes.items() if s.due_ms is not None]
        return [code for due_ms, code in sorted(due) if due_ms <= now_ms][:limit]

    async def next_due_ms(self) -> Millis | None:
        self._check()
        return min(
            (s.due_ms for s in self._kept.lanes.values() if s.due_ms is not None), default=None
        )

    async def lanes(self) -> list[CvCode]:
        self._check()
        return sorted(self._kept.lanes)

    async def first_look(self) -> FirstLook:
        return FirstLook(await self.lanes(), dict(self._kept.notes), self._inbound_waiting())

    async def claim_lane(
        self, code: CvCode, owner: str, now_ms: Millis, until_ms: Millis
    ) -> Claim | None:
        await self._before()
        kept, claim = self._kept, None
        held = kept.claims.get(code)
        if held is None or held.owner == owner or held.until_ms <= now_ms:
            kept.last_token += 1
            claim = kept.claims[code] = Claim(code, owner, kept.last_token, until_ms)
        await self._after()
        return claim

    async def release_lane(self, claim: Claim) -> None:
        await self._before()
        held = self._kept.claims.get(claim.code)
        if held is not None and held.token == claim.token:
            del self._kept.claims[claim.code]
        await self._after()

    async def append_events(self, rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
        _check_text(rows, resume)
        await self._before()
        for row in rows:
            self._kept.inbox.setdefault(row.heard.seq, row)
        if resume is not None:
            self._kept.resume = resume
        await self._after()

    async def append_inbound(
        self, events: Sequence[InboundRow], rows: Sequence[InboxRow], resume: Resume | None = None
    ) -> list[Placed]:
        _check_text(events, rows, resume)
        await self._before()
        for row in rows:
            self._kept.inbox.setdefault(row.heard.seq, row)
        placed = [self._place(event) for event in events]
        if resume is not None:
            self._kept.resume = resume
        await self._after()
        return placed

    def _place(self, row: InboundRow) -> Placed:
        self._kept.last_inbound += 1
        sequence, waiting = self._kept.last_inbound, self._inbound_waiting()
        full = tuple(name for name in row.handlers if waiting.get(name, 0) >= BACKLOG_MOST)
        untaken = Untaken(
            sequence, row.event, row.payload, row.heard_ms, row.replayed, 0, Millis(0)
        )
        self._kept.inbound |= {
            (name, sequence): untaken for name in row.handlers if name not in full
        }
        return Placed(sequence, full)

    def _inbound_waiting(self) -> dict[str, int]:
        return dict(Counter(handler for handler, _ in self._kept.inbound))

    async def first_inbound(self, handler: str) -> Untaken | None:
        self._check()
        mine = [number for name, number in self._kept.inbound if name == handler]
        return self._kept.inbound[handler, min(mine)] if mine else None

    async def finish_inbound(self, handler: str, sequence: int) -> None:
        await self._before()
        self._kept.inbound.pop((handler, sequence), None)
        await self._after()

    async def postpone_inbound(self, handler: str, sequence: int, due_ms: Millis) -> None:
        await self._before()
        if (untaken := self._kept.inbound.get((handler, sequence))) is not None:
            later = replace(untaken, tries=untaken.tries + 1, due_ms=due_ms)
            self._kept.inbound[handler, sequence] = later
        await self._after()

    async def hasten_inbound(self, handler: str, now_ms: Millis) -> None:
        await self._before()
        for this, untaken in self._kept.inbound.items():
            if this[0] == handler and untaken.due_ms > now_ms:
                self._kept.inbound[this] = replace(untaken, due_ms=now_ms)
        await self._after()

    async def expire_inbound(self, heard_before_ms: Millis) -> dict[tuple[str, str], int]:
        await self._before()
        old = {k: u for k, u in self._kept.inbound.items() if u.heard_ms < heard_before_ms}
        for this in old:
            del self._kept.inbound[this]
        await self._after()
        return dict(Counter((handler, old[handler, n].event) for handler, n in old))

    async def inbound_waiting(self) -> dict[str, int]:
        self._check()
        return self._inbound_waiting()

    async def undisposed(self) -> list[InboxRow]:
        self._check()
        rows = (row for _, row in sorted(self._kept.inbox.items()))
        return [row for row in rows if row.disposition is None]

    async def highest_seq(self) -> int:
        self._check()
        held = (_top_seq(s.submission) for s in self._kept.submissions.values())
        return max(max(self._kept.inbox, default=0), max(held, default=0), self._kept.noted_seq)

    async def resume_cursor(self) -> Resume:
        self._check()
        return self._kept.resume

    async def store_resume(self, resume: Resume) -> None:
        await self._before()
        self._kept.resume = resume
        await self._after()

    async def mark_alive(self, at_ms: Millis) -> None:
        await self._before()
        self._kept.alive_ms = at_ms
        await self._after()

    async def last_alive_ms(self) -> Millis | None:
        self._check()
        return self._kept.alive_ms

    async def open_gap(self, gap: Gap) -> None:
        await self._before()
        gaps = self._kept.gaps
        if self._open_gap() is None:
            number = max((row.number for row in gaps), default=0) + 1
            gaps.append(GapRow(number, gap, GapAccount()))
        await self._after()

    async def close_gap(self, end_ms: Millis, reason: str) -> Gap | None:
        await self._before()
        row, gap = self._open_gap(), None
        if row is not None:
            gap = replace(row.gap, end_ms=end_ms, reason=reason)
            self._kept.gaps.remove(row)
            self._kept.gaps.append(replace(row, gap=gap))
        await self._after()
        return gap

    async def drop_gap(self) -> None:
        await self._before()
        self._kept.gaps = [row for row in self._kept.gaps if row.gap.end_ms is not None]
        await self._after()

    async def gaps_since(self, since_ms: Millis) -> list[Gap]:
        self._check()
        gaps = (row.gap for row in self._kept.gaps)
        later = (gap for gap in gaps if gap.end_ms is None or gap.end_ms > since_ms)
        return sorted(later, key=lambda gap: gap.start_ms)

    async def gaps(self, before: int | None, limit: int) -> list[GapRow]:
        self._check()
        newest_first = sorted(self._kept.gaps, key=lambda row: -row.number)
        wanted = (row for row in newest_first if before is None or row.number < before)
        return [self._with_account(row) for row in wanted][:limit]

    async def gap_account(self, gap: Gap) -> GapAccount:
        self._check()
        return self._account(gap)

    async def ripe_gaps(self, limit: int) -> list[GapRow]:
        self._check()
        waiting = [
            self._with_account(row)
            for row in sorted(self._kept.gaps, key=lambda row: row.number)
            if row.settled_ms is None and row.gap.end_ms is not None
        ]
        return [row for row in waiting if not row.account.open][:limit]

    async def settle_gaps(self, rows: Sequence[GapRow], at_ms: Millis) -> None:
        await self._before()
        accounts = {row.number: row.account for row in rows}
        self._kept.gaps = [
            replace(row, account=accounts[row.number], settled_ms=at_ms)
            if row.number in accounts and row.settled_ms is None and row.gap.end_ms is not None
            else row
            for row in self._kept.gaps
        ]
        await self._after()

    async def submission(self, submission_id: SubmissionId) -> StoredSubmission | None:
        self._check()
        return self._kept.submissions.get(submission_id)

    async def submissions(self, query: Query) -> list[StoredSubmission]:
        self._check()
        newest_first = (s for _, s in sorted(self._kept.submissions.items(), reverse=True))
        of_ref = {code for ref, code in self._kept.refs if ref == query.ref}
        matching = (s for s in newest_first if query.ref is None or s.code in of_ref)
        wanted = self._kept.submissions.values() if query.needs_person is not None else ()
        needing = needing_a_person([stored.submission for stored in wanted])
        return [s for s in matching if _matches(s, query, needing)][: query.limit]

    async def facts_of(self, submission_id: SubmissionId) -> list[tuple[Millis, str, str]]:
        self._check()
        facts = self._kept.facts.get(submission_id, [])
        return [(fact.at_ms, fact.event, orjson.dumps(fact).decode()) for fact in facts]

    async def facts_after(self, sequence: int, limit: int) -> list[ToldFact]:
        self._check()
        rows = [row for row in self._kept.told if row[0] > sequence][:limit]
        return [
            ToldFact(
                number,
                place,
                fact.at_ms,
                fact.event,
                fact.submission_id,
                code,
                orjson.dumps(fact).decode(),
            )
            for number, code, facts in rows
            for place, fact in enumerate(facts)
            if fact.submission_id in self._kept.facts
        ]

    async def last_sequence(self) -> int:
        self._check()
        return self._kept.last_sequence

    async def codes(self, after: CvCode | None, limit: int) -> list[CvCode]:
        self._check()
        codes = {s.code for s in self._kept.submissions.values() if s.code > (after or "")}
        return sorted(codes)[:limit]

    async def add_refs(self, refs: Sequence[tuple[str, CvCode]]) -> None:
        await self._before()
        self._kept.refs |= set(refs)
        self._drop_refs()
        await self._after()

    async def idempotency(self, key: str, now_ms: Millis) -> IdempotencyKey | None:
        self._check()
        return self._kept_key(key, now_ms)

    async def reply(self, submission_id: SubmissionId) -> StoredReply | None:
        self._check()
        return self._kept.replies.get(submission_id)

    async def tally(self) -> Tally:
        self._check()
        all_of_them = [s.submission for s in self._kept.submissions.values()]
        waiting = [s for s in all_of_them if s.state is not State.CLOSED]
        return Tally(
            open_by_state=dict(Counter(s.state for s in waiting)),
            closed_by_outcome=dict(
                Counter(s.outcome for s in all_of_them if s.outcome is not None)
            ),
            oldest_open_ms=min((s.created_ms for s in waiting), default=None),
        )

    async def due_reactions(self, handler: str, now_ms: Millis, limit: int) -> list[Reaction]:
        self._check()
        due = [r for r in self._reactions(handler) if r.due_ms <= now_ms]
        return sorted(due, key=lambda r: (r.due_ms, r.submission_id, r.version))[:limit]

    async def give_out(
        self,
        announced: Sequence[tuple[SubmissionId, int]],
        handlers: Sequence[str],
        told: bool,
    ) -> None:
        await self._before()
        reactions = self._kept.reactions
        for this in announced:
            if (*this, ANNOUNCED) not in reactions:
                continue
            for handler in handlers:
                reactions.setdefault((*this, handler), Reaction(*this, handler, 0, Millis(0)))
            if told:
                del reactions[*this, ANNOUNCED]
        await self._after()

    async def finish_reaction(
        self, submission_id: SubmissionId, version: int, handler: str
    ) -> None:
        await self._before()
        for reaction in self._reactions(handler):
            if reaction.submission_id == submission_id and reaction.version <= version:
                del self._kept.reactions[submission_id, reaction.version, handler]
        await self._after()

    async def postpone_reaction(
        self, submission_id: SubmissionId, version: int, handler: str, due_ms: Millis
    ) -> None:
        await self._before()
        this = (submission_id, version, handler)
        if (reaction := self._kept.reactions.get(this)) is not None:
            tries = reaction.tries + 1
            self._kept.reactions[this] = replace(reaction, tries=tries, due_ms=due_ms)
        await self._after()

    async def hasten_reactions(self, handler: str, now_ms: Millis) -> None:
        await self._before()
        for this, reaction in self._kept.reactions.items():
            if reaction.handler == handler and reaction.due_ms > now_ms:
                self._kept.reactions[this] = replace(reaction, due_ms=now_ms)
        await self._after()

    async def reactions_waiting(self) -> dict[str, int]:
        self._check()
        return dict(Counter(reaction.handler for reaction in self._kept.reactions.values()))

    async def files_due(self, now_ms: Millis, limit: int) -> list[SubmissionId]:
        self._check()
        due = sorted(
            (due_ms, i)
            for i, s in self._kept.submissions.items()
            if i not in self._kept.files_gone
            and (due_ms := _file_due_ms(s.submission)) is not None
            and due_ms <= now_ms
        )
        return [i for _, i in due][:limit]

    async def files_kept(self) -> list[SubmissionId]:
        self._check()
        return sorted(
            i
            for i, s in self._kept.submissions.items()
            if s.submission.state is not State.CLOSED or i not in self._kept.files_gone
        )

    async def files_gone(self, ids: Sequence[SubmissionId]) -> None:
        await self._before()
        self._kept.files_gone.update(i for i in ids if i in self._kept.submissions)
        await self._after()

    def _purgeable(self, closed_before_ms: Millis) -> set[SubmissionId]:
        kept = self._kept
        remembered = {s.id for stored in kept.lanes.values() for s in stored.lane.submissions}
        return {
            i
            for i, s in kept.submissions.items()
            if s.submission.state is State.CLOSED
            and i not in remembered
            and i in kept.files_gone
            and (s.submission.closed_ms or 0) < closed_before_ms
        }

    async def purgeable(self, closed_before_ms: Millis) -> int:
        self._check()
        return len(self._purgeable(closed_before_ms))

    async def purge(self, closed_before_ms: Millis) -> int:
        await self._before()
        kept = self._kept
        kept.noted_seq = await self.highest_seq()
        doomed = self._purgeable(closed_before_ms)
        self._delete(doomed)
        for seq, row in list(kept.inbox.items()):
            if row.disposition is not None and row.heard.heard_ms < closed_before_ms:
                del kept.inbox[seq]
        kept.gaps = [
            row
            for row in kept.gaps
            if row.settled_ms is None or (row.gap.end_ms or 0) >= closed_before_ms
        ]
        await self._after()
        return len(doomed)

    async def forget(self, code: CvCode) -> int:
        await self._before()
        kept = self._kept
        kept.noted_seq = await self.highest_seq()
        doomed = {i for i, s in kept.submissions.items() if s.code == code}
        self._delete(doomed)
        lane = kept.lanes.pop(code, None)
        if lane is not None:
            kept.removed_version = max(kept.removed_version, lane.version)
        kept.claims.pop(code, None)
        kept.inbox = {seq: row for seq, row in kept.inbox.items() if row.code != code}
        kept.inbound = {k: u for k, u in kept.inbound.items() if not _holds(u.payload, code)}
        await self._after()
        return len(doomed)

    async def note(self, name: str) -> str | None:
        self._check()
        return self._kept.notes.get(name)

    async def set_note(self, name: str, value: str | None) -> None:
        await self._before()
        if value is None:
            self._kept.notes.pop(name, None)
        else:
            self._kept.notes[name] = value
        await self._after()

    async def prove(self) -> None:
        await self._before()
        await self._after()

    def commit_p99_ms(self) -> float | None:
        return 0.0 if self._writes else None

    async def close(self) -> None:
        self._closed = True

    def _apply(self, commit: LaneCommit) -> int | None:
        kept, code = self._kept, commit.code
        stored = kept.lanes.get(code)
        if (stored.version if stored else 0) != commit.expected_version:
            return None
        claim = commit.claim
        if claim is not None and (
            code not in kept.claims or kept.claims[code].token != claim.token
        ):
            return None
        if commit.idempotency is not None and (
            self._kept_key(commit.idempotency.key, commit.idempotency.created_ms) is not None
        ):
            return None
        version = (stored.version if stored else kept.removed_version) + 1
        if commit.lane is None:
            kept.lanes.pop(code, None)
            kept.removed_version = max(kept.removed_version, version)
        else:
            kept.lanes[code] = _StoredLane(commit.lane, version, commit.due_ms)
        if commit.reply is not None:
            kept.replies[commit.reply.submission_id] = commit.reply
        for submission in commit.changed:
            kept.submissions[submission.id] = StoredSubmission(code, submission)
            if submission.state is State.CLOSED:
                kept.replies.pop(submission.id, None)
        if commit.facts:
            kept.last_sequence += 1
            kept.told.append((kept.last_sequence, commit.code, commit.facts))
        for fact in commit.facts:
            if fact.submission_id is not None:
                kept.facts.setdefault(fact.submission_id, []).append(fact)
        for seq, disposition in commit.dispositions:
            if seq in kept.inbox:
                kept.inbox[seq] = replace(kept.inbox[seq], disposition=disposition)
        for submission_id, of_version in commit.reactions:
            announced = Reaction(submission_id, of_version, ANNOUNCED, 0, Millis(0))
            kept.reactions.setdefault((submission_id, of_version, ANNOUNCED), announced)
        if commit.idempotency is not None:
            kept.keys[commit.idempotency.key] = commit.idempotency
        kept.refs |= {(ref, code) for ref in commit.refs}
        self._drop_refs()
        return version

    def _delete(self, ids: set[SubmissionId]) -> None:
        kept = self._kept
        kept.submissions = {i: s for i, s in kept.submissions.items() if i not in ids}
        kept.files_gone -= ids
        kept.replies = {i: reply for i, reply in kept.replies.items() if i not in ids}
        kept.facts = {i: facts for i, facts in kept.facts.items() if i not in ids}
        kept.keys = {k: key for k, key in kept.keys.items() if key.submission_id not in ids}
        kept.reactions = {k: r for k, r in kept.reactions.items() if r.submission_id not in ids}
        self._drop_refs()

    def _kept_key(self, key: str, now_ms: Millis) -> IdempotencyKey | None:
        found = self._kept.keys.get(key)
        return None if found is None or found.created_ms <= now_ms - KEY_KEPT_MS else found

    def _drop_refs(self) -> None:
        kept = self._kept
        codes = {s.code for s in kept.submissions.values()}
        kept.refs = {(ref, code) for ref, code in kept.refs if code in codes}

    def _reactions(self, handler: str) -> list[Reaction]:
        return [r for r in self._kept.reactions.values() if r.handler == handler]

    def _open_gap(self) -> GapRow | None:
        return next((row for row in self._kept.gaps if row.gap.end_ms is None), None)

    def _with_account(self, row: GapRow) -> GapRow:
        return row if row.settled_ms is not None else replace(row, account=self._account(row.gap))

    def _account(self, gap: Gap) -> GapAccount:
        touched = [s.submission for s in self._kept.submissions.values()]
        touched = [submission for submission in touched if _touches(gap, submission)]
        became = Counter(s.outcome for s in touched if s.outcome is not None)
        return GapAccount(dict(became), sum(s.closed_ms is None for s in touched))

    async def _before(self) -> None:
        self._check()
        await self._pause()
        self._check()

    async def _after(self) -> None:
        self._writes += 1
        await self._pause()

    def _check(self) -> None:
        if self._fault is not None:
            raise JournalFault(self._fault)
        if self._closed:
            raise JournalFault("expected an open journal, found it closed; start it again first")


def _check_text(*given: object) -> None:
    """Raises ValueError for text that no disk could hold: a lone surrogate."""
    try:
        orjson.dumps(given, default=_of_bytes)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None


def _holds(payload: str, code: CvCode) -> bool:
    def texts(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            value = [*value, *value.values()]
        if isinstance(value, list):
            for item in value:
                yield from texts(item)
        elif isinstance(value, str):
            yield value

    return any(code in text for text in texts(orjson.loads(payload)))


def _of_bytes(body: object) -> None:
    """Any will do."""
    if not isinstance(body, bytes):
        raise TypeError


def _top_seq(submission: Submission) -> int:
    heard = (*submission.held, *submission.candidates, submission.heard)
    return max((h.seq for h in heard if h is not None), default=0)


def _file_due_ms(submission: Submission) -> int | None:
    if submission.state is not State.CLOSED:
        return None
    return submission.keep_file_until_ms or submission.closed_ms or 0


def _touches(gap: Gap, submission: Submission) -> bool:
    first = first_sent(submission)
    if first is None or (gap.end_ms is not None and first.began_ms > gap.end_ms):
        return False
    return submission.closed_ms is None or submission.closed_ms >= gap.start_ms


def needing_a_person(submissions: Collection[Submission]) -> set[SubmissionId]:
    """Those that call for a person, save what was sent again and is settled by that."""
    settled = {s.id for s in submissions if s.outcome in outcomes.SETTLING}
    for _ in submissions:
        settled |= {s.retry_of for s in submissions if s.id in settled and s.retry_of is not None}
    return {s.id for s in submissions if s.outcome in outcomes.CALLING and s.id not in settled}


def _matches(stored: StoredSubmission, query: Query, needing: Collection[SubmissionId]) -> bool:
    submission = stored.submission
    return (
        query.state in (None, submission.state)
        and query.outcome in (None, submission.outcome)
        and query.code in (None, stored.code)
        and query.open in (None, submission.state is not State.CLOSED)
        and query.attribution in (None, submission.attribution)
        and query.late in (None, submission.late)
        and query.retry_of in (None, submission.retry_of)
        and query.needs_person in (None, stored.submission.id in needing)
        and (query.created_from_ms is None or submission.created_ms >= query.created_from_ms)
        and (query.created_to_ms is None or submission.created_ms < query.created_to_ms)
        and (query.before is None or submission.id < query.before)
    )
