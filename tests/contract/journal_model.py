"""What a journal promises, in the fewest words: rows in plain lists, and no thought for speed.

Written from the port's docstrings, not from either store, so that all three can be held together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import orjson

from listener.core.evidence import Gap
from listener.core.facts import Fact
from listener.core.names import (
    CvCode,
    Disposition,
    Millis,
    Outcome,
    PostKind,
    State,
    SubmissionId,
)
from listener.core.submission import Lane, Submission
from listener.ports.event_source import Resume
from listener.ports.gaps import GapAccount, GapRow
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
)
from listener.ports.reaction import ANNOUNCED, Reaction
from tests.fakes.journal_memory import needing_a_person


@dataclass
class Kept:
    """One submission and all that hangs on it."""

    code: CvCode
    now: Submission
    facts: list[Fact] = field(default_factory=list)
    reactions: dict[tuple[int, str], Reaction] = field(default_factory=dict)
    file_gone: bool = False
    reply: StoredReply | None = None

    @property
    def file_due_ms(self) -> int | None:
        if self.now.state is not State.CLOSED:
            return None
        kept_until = self.now.keep_file_until_ms
        return self.now.closed_ms if kept_until is None else kept_until


@dataclass
class JournalModel:
    """The port without its awaits, and with its state open to the test."""

    lanes_: dict[CvCode, tuple[Lane, int, Millis | None]] = field(default_factory=dict)
    kept: dict[SubmissionId, Kept] = field(default_factory=dict)
    inbox: dict[int, InboxRow] = field(default_factory=dict)
    keys: dict[str, IdempotencyKey] = field(default_factory=dict)
    claims: dict[CvCode, Claim] = field(default_factory=dict)
    ended: list[GapRow] = field(default_factory=list)
    open_: tuple[int, Gap] | None = None
    resume: Resume = field(default_factory=Resume)
    alive_ms: Millis | None = None
    notes: dict[str, str] = field(default_factory=dict)
    refs: dict[str, set[CvCode]] = field(default_factory=dict)
    tokens: int = 0
    removed_version: int = 0
    noted_seq: int = 0

    # ------------------------------------------------------------------------------------ lanes

    def load_lane(self, code: CvCode) -> LaneRow:
        lane, version, _ = self.lanes_.get(code, (Lane(), 0, None))
        members = tuple(self.kept[s.id].now for s in lane.submissions)
        return LaneRow(code, replace(lane, submissions=members), version)

    def commit(self, commit: LaneCommit) -> int | None:
        stored = self.load_lane(commit.code).version
        held = self.claims.get(commit.code)
        if stored != commit.expected_version:
            return None
        if commit.claim is not None and (held is None or held.token != commit.claim.token):
            return None
        if commit.idempotency is not None:
            if self.idempotency(commit.idempotency.key, commit.idempotency.created_ms) is not None:
                return None
            self.keys[commit.idempotency.key] = commit.idempotency
        version = (stored or self.removed_version) + 1
        if commit.lane is None:
            self._remove(commit.code, version)
        else:
            self.lanes_[commit.code] = (commit.lane, version, commit.due_ms)
        for now in commit.changed:
            self.kept.setdefault(now.id, Kept(commit.code, now)).now = now
        if commit.reply is not None:
            self.kept[commit.reply.submission_id].reply = commit.reply
        for now in commit.changed:
            if now.state is State.CLOSED:
                self.kept[now.id].reply = None
        for fact in commit.facts:
            if fact.submission_id is not None:
                self.kept[fact.submission_id].facts.append(fact)
        for seq, disposition in commit.dispositions:
            if seq in self.inbox:
                self.inbox[seq] = replace(self.inbox[seq], disposition=disposition)
        self.add_refs([(ref, commit.code) for ref in commit.refs])
        for name, of in commit.reactions:
            new = Reaction(name, of, ANNOUNCED, 0, Millis(0))
            self.kept[name].reactions.setdefault((of, ANNOUNCED), new)
        return version

    def due_lanes(self, now_ms: Millis, limit: int) -> list[CvCode]:
        due = [(at, code) for code, (_, _, at) in self.lanes_.items() if at is not None]
        return [code for at, code in sorted(due) if at <= now_ms][:limit]

    def next_due_ms(self) -> Millis | None:
        return min((at for _, _, at in self.lanes_.values() if at is not None), default=None)

    def lanes(self) -> list[CvCode]:
        return sorted(self.lanes_)

    def first_look(self) -> FirstLook:
        return FirstLook(self.lanes(), self.notes)

    def claim_lane(
        self, code: CvCode, owner: str, now_ms: Millis, until_ms: Millis
    ) -> Claim | None:
        held = self.claims.get(code)
        if held is not None and held.owner != owner and held.until_ms > now_ms:
            return None
        self.tokens += 1
        self.claims[code] = Claim(code, owner, self.tokens, until_ms)
        return self.claims[code]

    def release_lane(self, claim: Claim) -> None:
        held = self.claims.get(claim.code)
        if held is not None and held.token == claim.token:
            del self.claims[claim.code]

    # ---------------------------------------------------------------------------------- hearing

    def append_events(self, rows: tuple[InboxRow, ...], resume: Resume | None = None) -> None:
        for row in rows:
            self.inbox.setdefault(row.heard.seq, row)
        self.resume = self.resume if resume is None else resume

    def undisposed(self) -> list[InboxRow]:
        return [row for _, row in sorted(self.inbox.items()) if row.disposition is None]

    def highest_seq(self) -> int:
        seqs = [self.noted_seq, *self.inbox]
        for kept in self.kept.values():
            heard = (*kept.now.held, *kept.now.candidates, kept.now.heard)
            seqs += [h.seq for h in heard if h is not None]
        return max(seqs)

    def resume_cursor(self) -> Resume:
        return self.resume

    def store_resume(self, resume: Resume) -> None:
        self.resume = resume

    def mark_alive(self, at_ms: Millis) -> None:
        self.alive_ms = at_ms

    def last_alive_ms(self) -> Millis | None:
        return self.alive_ms

    def open_gap(self, gap: Gap) -> None:
        last = max((row.number for row in self.ended), default=0)
        self.open_ = self.open_ or (last + 1, gap)

    def close_gap(self, end_ms: Millis, reason: str) -> Gap | None:
        if self.open_ is None:
            return None
        number, gap = self.open_
        gap = replace(gap, end_ms=end_ms, reason=reason)
        self.open_ = None
        self.ended.append(GapRow(number, gap, GapAccount()))
        return gap

    def drop_gap(self) -> None:
        self.open_ = None

    def gaps_since(self, since_ms: Millis) -> list[Gap]:
        ended = [row.gap for row in self.ended if (row.gap.end_ms or 0) > since_ms]
        all_of_them = ended if self.open_ is None else [*ended, self.open_[1]]
        return sorted(all_of_them, key=lambda gap: gap.start_ms)

    def gaps(self, before: int | None, limit: int) -> list[GapRow]:
        rows = [self._now(row) for row in self.ended]
        if self.open_ is not None:
            number, gap = self.open_
            rows.append(GapRow(number, gap, self.gap_account(gap)))
        below = [row for row in rows if before is None or row.number < before]
        return sorted(below, key=lambda row: row.number, reverse=True)[:limit]

    def gap_account(self, gap: Gap) -> GapAccount:
        account = GapAccount()
        for kept in self.kept.values():
            outcome = kept.now.outcome
            if not _meets(kept.now, gap):
                continue
            if kept.now.state is not State.CLOSED or outcome is None:
                account = replace(account, open=account.open + 1)
            else:
                account.became[outcome] = account.became.get(outcome, 0) + 1
        return account

    def ripe_gaps(self, limit: int) -> list[GapRow]:
        rows = [self._now(row) for row in self.ended if row.settled_ms is None]
        return [row for row in rows if row.account.open == 0][:limit]

    def settle_gaps(self, rows: list[GapRow], at_ms: Millis) -> None:
        for given in rows:
            for place, row in enumerate(self.ended):
                if row.number == given.number and row.settled_ms is None:
                    self.ended[place] = replace(row, account=given.account, settled_ms=at_ms)

    def _now(self, row: GapRow) -> GapRow:
        stands = row.settled_ms is not None
        return row if stands else replace(row, account=self.gap_account(row.gap))

    # ------------------------------------------------------------------------------ submissions

    def submission(self, name: SubmissionId) -> StoredSubmission | None:
        kept = self.kept.get(name)
        return None if kept is None else StoredSubmission(kept.code, kept.now)

    def submissions(self, query: Query) -> list[StoredSubmission]:
        found = [StoredSubmission(kept.code, kept.now) for kept in self.kept.values()]
        if query.state is not None:
            found = [s for s in found if s.submission.state is query.state]
        if query.outcome is not None:
            found = [s for s in found if s.submission.outcome is query.outcome]
        if query.code is not None:
            found = [s for s in found if s.code == query.code]
        if query.ref is not None:
            found = [s for s in found if s.code in self.refs.get(query.ref, ())]
        if query.open is not None:
            found = [s for s in found if (s.submission.state is State.CLOSED) is not query.open]
        if query.attribution is not None:
            found = [s for s in found if s.submission.attribution is query.attribution]
        if query.late is not None:
            found = [s for s in found if s.submission.late is query.late]
        if query.retry_of is not None:
            found = [s for s in found if s.submission.retry_of == query.retry_of]
        if query.needs_person is not None:
            needing = needing_a_person([kept.now for kept in self.kept.values()])
            found = [s for s in found if (s.submission.id in needing) is query.needs_person]
        if query.created_from_ms is not None:
            found = [s for s in found if s.submission.created_ms >= query.created_from_ms]
        if query.created_to_ms is not None:
            found = [s for s in found if s.submission.created_ms < query.created_to_ms]
        if query.before is not None:
            found = [s for s in found if s.submission.id < query.before]
        return sorted(found, key=lambda s: s.submission.id, reverse=True)[: query.limit]

    def facts_of(self, name: SubmissionId) -> list[tuple[Millis, str, str]]:
        facts = self.kept[name].facts if name in self.kept else []
        return [(fact.at_ms, fact.event, orjson.dumps(fact).decode()) for fact in facts]

    def codes(self, after: CvCode | None, limit: int) -> list[CvCode]:
        codes = {kept.code for kept in self.kept.values()}
        return [code for code in sorted(codes) if after is None or code > after][:limit]

    def add_refs(self, refs: list[tuple[str, CvCode]]) -> None:
        codes = {kept.code for kept in self.kept.values()}
        for ref, code in refs:
            if code in codes:
                self.refs.setdefault(ref, set()).add(code)

    def idempotency(self, key: str, now_ms: Millis) -> IdempotencyKey | None:
        known = self.keys.get(key)
        return known if known and now_ms - known.created_ms < KEY_KEPT_MS else None

    def reply(self, name: SubmissionId) -> StoredReply | None:
        return self.kept[name].reply if name in self.kept else None

    def tally(self) -> Tally:
        now = [kept.now for kept in self.kept.values()]
        waiting = [s for s in now if s.state is not State.CLOSED]
        states = {state: sum(s.state is state for s in waiting) for state in State}
        outcomes = {outcome: sum(s.outcome is outcome for s in now) for outcome in Outcome}
        return Tally(
            {state: n for state, n in states.items() if n},
            {outcome: n for outcome, n in outcomes.items() if n},
            min((s.created_ms for s in waiting), default=None),
        )

    def reactions(self) -> list[Reaction]:
        return [r for kept in self.kept.values() for r in kept.reactions.values()]

    def due_reactions(self, handler: str, now_ms: Millis, limit: int) -> list[Reaction]:
        due = [r for r in self.reactions() if r.handler == handler and r.due_ms <= now_ms]
        return sorted(due, key=lambda r: (r.due_ms, r.submission_id, r.version))[:limit]

    def give_out(
        self, announced: list[tuple[SubmissionId, int]], handlers: list[str], told: bool
    ) -> None:
        for name, version in announced:
            reactions = self.kept[name].reactions if name in self.kept else {}
            if (version, ANNOUNCED) not in reactions:
                continue
            for handler in handlers:
                new = Reaction(name, version, handler, 0, Millis(0))
                reactions.setdefault((version, handler), new)
            if told:
                del reactions[version, ANNOUNCED]

    def finish_reaction(self, name: SubmissionId, version: int, handler: str) -> None:
        if name in self.kept:
            left = self.kept[name].reactions
            heard = [key for key in left if key[0] <= version and key[1] == handler]
            for key in heard:
                del left[key]

    def postpone_reaction(
        self, name: SubmissionId, version: int, handler: str, due_ms: Millis
    ) -> None:
        reactions = self.kept[name].reactions if name in self.kept else {}
        if (version, handler) in reactions:
            tries = reactions[version, handler].tries + 1
            reactions[version, handler] = Reaction(name, version, handler, tries, due_ms)

    def hasten_reactions(self, handler: str, now_ms: Millis) -> None:
        for kept in self.kept.values():
            for key, reaction in kept.reactions.items():
                if key[1] == handler and reaction.due_ms > now_ms:
                    kept.reactions[key] = replace(reaction, due_ms=now_ms)

    def reactions_waiting(self) -> dict[str, int]:
        return dict(Counter(r.handler for r in self.reactions()))

    # ----------------------------------------------------------------------------- files, leaving

    def files_due(self, now_ms: Millis, limit: int) -> list[SubmissionId]:
        due = [(k.file_due_ms, i) for i, k in self.kept.items() if not k.file_gone]
        return [i for _, i in sorted((at, i) for at, i in due if at is not None and at <= now_ms)][
            :limit
        ]

    def files_kept(self) -> list[SubmissionId]:
        return sorted(
            i for i, k in self.kept.items() if k.now.state is not State.CLOSED or not k.file_gone
        )

    def files_gone(self, names: tuple[SubmissionId, ...]) -> None:
        for name in names:
            if name in self.kept:
                self.kept[name].file_gone = True

    def purgeable(self, before: Millis) -> int:
        return len(self._purgeable(before))

    def _purgeable(self, before: Millis) -> list[SubmissionId]:
        named = {s.id for lane, _, _ in self.lanes_.values() for s in lane.submissions}
        return [
            name
            for name, kept in self.kept.items()
            if kept.now.state is State.CLOSED
            and kept.now.closed_ms is not None
            and kept.now.closed_ms < before
            and kept.file_gone
            and name not in named
        ]

    def purge(self, before: Millis) -> int:
        self.noted_seq = self.highest_seq()
        doomed = self._purgeable(before)
        self._delete(doomed)
        for seq, row in list(self.inbox.items()):
            if row.disposition is not None and row.heard.heard_ms < before:
                del self.inbox[seq]
        self.ended = [
            row for row in self.ended if row.settled_ms is None or (row.gap.end_ms or 0) >= before
        ]
        return len(doomed)

    def forget(self, code: CvCode) -> int:
        self.noted_seq = self.highest_seq()
        doomed = [name for name, kept in self.kept.items() if kept.code == code]
        self._delete(doomed)
        if code in self.lanes_:
            self._remove(code, self.lanes_[code][1])
        self.claims.pop(code, None)
        self.inbox = {seq: row for seq, row in self.inbox.items() if row.code != code}
        return len(doomed)

    def note(self, name: str) -> str | None:
        return self.notes.get(name)

    def set_note(self, name: str, value: str | None) -> None:
        self.notes = {n: v for n, v in self.notes.items() if n != name}
        if value is not None:
            self.notes[name] = value

    # ------------------------------------------------------------------- what only a test may ask

    def dispositions(self) -> dict[int, Disposition | None]:
        """Of every inbox row."""
        return {seq: row.disposition for seq, row in self.inbox.items()}

    def _delete(self, names: list[SubmissionId]) -> None:
        for name in names:
            del self.kept[name]
        left = {kept.code for kept in self.kept.values()}
        self.refs = {ref: codes & left for ref, codes in self.refs.items()}
        self.keys = {n: key for n, key in self.keys.items() if key.submission_id not in names}

    def _remove(self, code: CvCode, version: int) -> None:
        self.lanes_.pop(code, None)
        self.removed_version = max(self.removed_version, version)


def _meets(submission: Submission, gap: Gap) -> bool:
    """Whether its window and the gap have a moment in common."""
    begins = [
        attempt.began_ms
        for attempt in submission.attempts
        if attempt.crashed
        or attempt.result is None
        or attempt.result.kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT)
    ]
    if not begins or (gap.end_ms is not None and gap.end_ms < begins[0]):
        return False
    return submission.state is not State.CLOSED or (submission.closed_ms or 0) >= gap.start_ms
