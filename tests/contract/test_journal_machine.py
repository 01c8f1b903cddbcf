"""Any operations of the port, in any order: three journals are held together at every step.

What the contract suite tells in examples, this goes looking for: the same random life, with stale
versions, lost claims, taken keys, closes, purges, restarts and kills, is given to SQLite, to the
journal in memory and to the model; and what a journal promises beyond its answers is watched.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from listener.core.evidence import Gap, Heard
from listener.core.names import CvCode, Disposition, Millis, Outcome, State, SubmissionId
from listener.core.submission import Lane, Submission
from listener.ports.event_source import Resume
from listener.ports.gaps import GapAccount
from listener.ports.journal import KEY_KEPT_MS, Claim, IdempotencyKey, InboxRow, LaneCommit, LaneRow
from listener.ports.reaction import ANNOUNCED

from .journal_commits import reply_to, staying, subject, unfit_call, with_changes
from .journal_trio import EVER, LONG, Trio
from .journals import a_fact, an_id, at, queued

CODES = tuple(CvCode(text) for text in ("a", "A", "日本\U0010ffff/%#$"))
HANDLERS = (ANNOUNCED, "log", "webhook")
KEYS = ("key-1", "key-2", "")
OPEN = (State.QUEUED, State.SENDING, State.AWAITING, State.IN_DOUBT)

codes = st.sampled_from(CODES)
moments = st.integers(0, 40).map(at)
perhaps = st.none() | moments
seqs = st.integers(1, 25)
refs = st.sampled_from(["ref-1", "ref-2", "ref-3"])
some = st.lists(st.integers(0, 9), max_size=3)
versions = st.sampled_from(["right"] * 6 + ["0", "one before", "one above"])
claims = st.sampled_from(["none"] * 4 + ["newest", "any"])


class JournalMachine(RuleBasedStateMachine):
    """A few codes, keys and seqs, so that they meet often; ids are new each time."""

    def __init__(self) -> None:
        super().__init__()
        self.trio = Trio()
        self.model = self.trio.model
        self.names: list[SubmissionId] = []
        self.claims: list[Claim] = []
        self.given: dict[CvCode, int] = {}
        self.disposed: set[int] = set()
        self.highest = 0

    def teardown(self) -> None:
        self.trio.close()

    # -------------------------------------------------------------------------------- the lanes

    @rule(
        code=codes,
        version=versions,
        claim=claims,
        adds=st.integers(0, 2),
        changes=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([*OPEN, *Outcome]), moments)),
        drops=st.sampled_from(["none", "none", "closed", "first", "all", "remove"]),
        recalls=st.booleans(),
        due=perhaps,
        key=st.none() | st.sampled_from(KEYS),
        known_by=st.lists(refs, max_size=2),
        marks=st.lists(st.tuples(seqs, st.sampled_from(Disposition)), max_size=3),
        reacts=some,
        tells=some,
        answers=st.none()
        | st.tuples(st.integers(0, 5), st.sampled_from([b"", b"\x00\xff", b"{}"])),
        now=moments | moments.map(lambda ms: Millis(ms + KEY_KEPT_MS)),
    )
    def commit(
        self,
        code: CvCode,
        version: str,
        claim: str,
        adds: int,
        changes: list[tuple[int, State | Outcome, Millis]],
        drops: str,
        recalls: bool,
        due: Millis | None,
        key: str | None,
        known_by: list[str],
        marks: list[tuple[int, Disposition]],
        reacts: list[int],
        tells: list[int],
        answers: tuple[int, bytes] | None,
        now: Millis,
    ) -> None:
        members = {s.id: s for s in self.model.load_lane(code).lane.submissions}
        if recalls:
            members |= {i: k.now for i, k in self.model.kept.items() if k.code == code}
        changed = with_changes(list(members.values()), changes)
        for _ in range(adds):
            new = queued(len(self.names) + 1, retry_of=self.names[-1] if self.names else None)
            self.names.append(new.id)
            changed[new.id] = new
        members |= changed
        stays = staying(list(members.values()), drops)
        every = list(members)
        given = LaneCommit(
            code,
            self._version(code, version),
            None if drops == "remove" else Lane(stays, rest_until_ms=due),
            due,
            tuple(changed.values()),
            facts=tuple(a_fact(subject(every, n), now) for n in tells),
            dispositions=tuple(marks),
            idempotency=None
            if key is None or not every
            else IdempotencyKey(key, "print", every[-1], now),
            refs=tuple(known_by),
            reactions=tuple((every[n % len(every)], n) for n in reacts if every),
            claim=self._claim(code, claim),
            reply=reply_to(list(changed), answers),
        )
        self._committed(code, self.trio.ask("commit", given))

    @rule(code=codes, due=perhaps)
    def accept(self, code: CvCode, due: Millis | None) -> None:
        new = queued(len(self.names) + 1)
        self.names.append(new.id)
        row = self.model.load_lane(code)
        self._commit(row, (*row.lane.submissions, new), (new,), due)

    @rule(code=codes, outcome=st.sampled_from(Outcome), when=moments)
    def close_all(self, code: CvCode, outcome: Outcome, when: Millis) -> None:
        row = self.model.load_lane(code)
        every = row.lane.submissions
        changed = with_changes(every, [(n, outcome, when) for n in range(len(every))])
        self._commit(row, tuple(changed.values()), tuple(changed.values()), None)

    @rule(code=codes, how=st.sampled_from(["none", "closed", "first", "all", "remove"]))
    def let_go(self, code: CvCode, how: str) -> None:
        """Of what is not written with it; or write nothing but the lane."""
        row = self.model.load_lane(code)
        self._commit(row, None if how == "remove" else staying(row.lane.submissions, how), (), None)

    @rule(code=codes, other=codes, unfit=st.sampled_from(["reason", "key", "payload", "offset"]))
    def commits_beside_one_that_no_store_can_take(
        self, code: CvCode, other: CvCode, unfit: str
    ) -> None:
        """In one transaction with it; of two on one lane the second is stale."""
        calls = []
        for lane in (code, other):
            new = queued(len(self.names) + 1)
            self.names.append(new.id)
            row = self.model.load_lane(lane)
            stays = Lane((*row.lane.submissions, new))
            calls.append(LaneCommit(lane, row.version, stays, None, (new,), (a_fact(None, at(1)),)))
        refused = unfit_call(unfit, calls[0])
        found = self.trio.together([("commit", (call,)) for call in calls], [refused])
        assert found[0] is not None and (found[1] is None) == (code == other)
        for call, version in zip(calls, found, strict=True):
            self._committed(call.code, version)

    @rule(code=codes, owner=st.sampled_from(["one", "two"]), now=moments, lasts=st.integers(0, 20))
    def claim(self, code: CvCode, owner: str, now: Millis, lasts: int) -> None:
        claim = self.trio.ask("claim_lane", code, owner, now, Millis(now + lasts))
        if claim is not None:
            assert all(claim.token > older.token for older in self.claims), "a token, never twice"
            self.claims.append(claim)

    @rule(which=st.integers(0, 99))
    def release(self, which: int) -> None:
        if self.claims:
            self.trio.ask("release_lane", self.claims[which % len(self.claims)])

    @rule(now=moments, limit=st.integers(1, 3))
    def what_is_due(self, now: Millis, limit: int) -> None:
        due = self.trio.ask("due_lanes", now, limit)
        first = self.trio.ask("next_due_ms")
        assert bool(due) == (first is not None and first <= now)
        for handler in HANDLERS:
            self.trio.ask("due_reactions", handler, now, limit)
        self.trio.ask("files_due", now, limit)
        self.trio.ask("gaps_since", now)
        self.trio.ask("gaps", limit + 1, limit)
        self.trio.listings(CODES, an_id(max(1, len(self.names) - limit)), now)
        self.trio.ask("codes", CODES[limit - 1], limit)

    # ---------------------------------------------------------------------------------- hearing

    @rule(
        heard=st.lists(st.tuples(seqs, moments, st.booleans(), st.none() | codes), max_size=4),
        cursor=st.none() | st.tuples(st.sampled_from(["p1", "p2"]), st.sampled_from(["7", "8"])),
    )
    def hear(
        self,
        heard: list[tuple[int, Millis, bool, CvCode | None]],
        cursor: tuple[str, str] | None,
    ) -> None:
        rows = tuple(
            InboxRow(
                Heard(seq, when, replayed),
                code,
                f'{{"n":{when}}}',
                Disposition.MALFORMED if code is None else None,
            )
            for seq, when, replayed, code in heard
        )
        before = dict(self.model.inbox)
        self.trio.ask("append_events", rows, None if cursor is None else Resume(*cursor))
        for seq, row in before.items():
            assert self.model.inbox[seq] == row, "a seq that is stored stays as it is"
        self._note_disposed()

    @rule(pid=st.none() | st.sampled_from(["p1", "p2"]), when=moments)
    def new_session(self, pid: str | None, when: Millis) -> None:
        self.trio.ask("store_resume", Resume(pid))
        self.trio.ask("mark_alive", when)

    @rule(how=st.sampled_from(["open", "close", "drop"]), when=moments)
    def gap(self, how: str, when: Millis) -> None:
        match how:
            case "open":
                self.trio.ask("open_gap", Gap(when, reason="lost"))
            case "close":
                self.trio.ask("close_gap", when, "not_recovered")
            case _:
                self.trio.ask("drop_gap")

    @rule(most=st.integers(1, 4), when=moments, start=moments, end=perhaps)
    def gaps_settle(self, most: int, when: Millis, start: Millis, end: Millis | None) -> None:
        self.trio.ask("gap_account", Gap(start, end))
        ripe = self.trio.ask("ripe_gaps", most)
        assert all(row.account.open == 0 for row in ripe)
        self.trio.ask("settle_gaps", ripe, when)
        stands = {row.number: row for row in self.model.gaps(None, LONG)}
        for row in ripe:
            assert stands[row.number] == replace(row, settled_ms=when)
        # What is settled is not settled again.
        self.trio.ask("settle_gaps", [replace(row, account=GapAccount()) for row in ripe], EVER)

    # ----------------------------------------------------------------------- reactions and leaving

    @rule(
        which=st.integers(0, 30),
        version=st.integers(0, 9),
        handler=st.sampled_from(HANDLERS),
        again=perhaps,
    )
    def react(self, which: int, version: int, handler: str, again: Millis | None) -> None:
        if again is None:
            self.trio.ask("finish_reaction", an_id(which), version, handler)
        else:
            self.trio.ask("postpone_reaction", an_id(which), version, handler, again)

    @rule(
        strangers=st.lists(st.tuples(st.integers(0, 30).map(an_id), st.integers(0, 9)), max_size=2),
        handlers=st.sets(st.sampled_from(HANDLERS[1:])),
        told=st.booleans(),
    )
    def give_out(
        self, strangers: list[tuple[SubmissionId, int]], handlers: set[str], told: bool
    ) -> None:
        """All that is announced, and some that may not be."""
        announced = self.model.due_reactions(ANNOUNCED, EVER, LONG)
        these = [*strangers, *((r.submission_id, r.version) for r in announced)]
        self.trio.ask("give_out", these, sorted(handlers), told)

    @rule(handler=st.sampled_from(HANDLERS), now=moments)
    def hasten(self, handler: str, now: Millis) -> None:
        self.trio.ask("hasten_reactions", handler, now)

    @rule(numbers=st.none() | st.lists(st.integers(1, 30), max_size=6))
    def files_leave(self, numbers: list[int] | None) -> None:
        """Of these, or of all that are closed."""
        gone = map(an_id, numbers) if numbers is not None else self.model.files_due(EVER, LONG)
        self.trio.ask("files_gone", tuple(gone))

    @rule(before=moments | st.just(EVER), swept=st.booleans())
    def purge(self, before: Millis, swept: bool) -> None:
        if swept:
            self.files_leave(None)
        assert self.trio.ask("purgeable", before) == self.trio.ask("purge", before)
        self._something_left()

    @precondition(lambda self: len(self.model.kept) > 6)
    @rule(code=codes)
    def forget(self, code: CvCode) -> None:
        self.trio.ask("forget", code)
        self._something_left()
        assert not any(row.code == code for row in self.model.inbox.values())

    @rule(given=st.lists(st.tuples(refs, codes), max_size=3))
    def refer(self, given: list[tuple[str, CvCode]]) -> None:
        self.trio.ask("add_refs", given)

    @rule(name=st.sampled_from(["a", "b"]), value=st.sampled_from([None, "", "1", "日本"]))
    def note(self, name: str, value: str | None) -> None:
        self.trio.ask("set_note", name, value)

    @rule(hard=st.booleans())
    def die(self, hard: bool) -> None:
        if hard:
            self.trio.kill()
        else:
            self.trio.restart()

    # ------------------------------------------------------------------------------ what holds

    @invariant()
    def all_answer_alike(self) -> None:
        self.trio.compare(CODES, self.names, KEYS)

    @invariant()
    def what_was_disposed_of_stays_so(self) -> None:
        undisposed = {row.heard.seq for row in self.model.undisposed()}
        assert not undisposed & self.disposed

    @invariant()
    def the_highest_seq_never_falls(self) -> None:
        highest = self.model.highest_seq()
        assert highest >= self.highest
        self.highest = highest

    # -------------------------------------------------------------------------------- its parts

    def _commit(
        self,
        row: LaneRow,
        stays: tuple[Submission, ...] | None,
        changed: tuple[Submission, ...],
        due: Millis | None,
    ) -> None:
        """A commit that is not stale."""
        lane = None if stays is None else Lane(stays)
        given = LaneCommit(row.code, row.version, lane, due, changed)
        version = self.trio.ask("commit", given)
        assert version == row.version + 1 if row.version else version is not None
        self._committed(row.code, version)

    def _version(self, code: CvCode, how: str) -> int:
        right = self.model.load_lane(code).version
        return {"right": right, "0": 0, "one before": max(0, right - 1)}.get(how, right + 1)

    def _claim(self, code: CvCode, how: str) -> Claim | None:
        if how == "none" or not self.claims:
            return None
        of_lane = [claim for claim in self.claims if claim.code == code]
        return of_lane[-1] if how == "newest" and of_lane else self.claims[0]

    def _committed(self, code: CvCode, version: int | None) -> None:
        if version is None:
            return
        assert version > self.given.get(code, 0), "a version, never twice"
        self.given[code] = version
        self._note_disposed()

    def _note_disposed(self) -> None:
        found = self.model.dispositions()
        self.disposed |= {seq for seq, disposition in found.items() if disposition is not None}

    def _something_left(self) -> None:
        self.disposed &= set(self.model.inbox)


def _play(examples: int) -> None:
    run_state_machine_as_test(
        JournalMachine, settings=settings(max_examples=examples, stateful_step_count=50)
    )


def test_three_journals_answer_alike() -> None:
    _play(40)


@pytest.mark.prove(lasts=130)
def test_three_journals_answer_alike_for_longer() -> None:
    """As many lives as the profile says: 20,000 with ``--hypothesis-profile=long``."""
    _play(max(300, settings().max_examples))
