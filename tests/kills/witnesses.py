"""The promises I1 to I10, each held against three witnesses: the upstream's ledger, the journal,
and our own log lines. Each function says in words what it finds broken.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.names import Attribution, Millis, Outcome, PostKind, State, SubmissionId
from listener.core.submission import Submission
from listener.emulator.ledger import Ledger, PostEntry
from listener.ports.journal import Query
from tests.e2e.process import DaemonProcess, no_code_in

FOR_EVER = Millis(1 << 60)
SLACK_MS = 50
"""Two processes, two readings of one clock."""


@dataclass(frozen=True, slots=True)
class Books:
    """What a journal holds. ``owed``: whose reactions no handler finished yet."""

    codes: dict[SubmissionId, str]
    submissions: dict[SubmissionId, Submission]
    undisposed: tuple[int, ...]
    owed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One life, after everything has closed and stopped.

    ``accepted``: id → code, of what was acknowledged. ``keyed``: code → key, of what was submitted
    under one key, again and again until acknowledged. ``recovering``: the upstream kept what we
    missed, and knew us from an event heard before. ``muddied``: codes with more than one update or
    event. ``settle_ms``: the daemon's settle period. ``unclosed``: what did not close in time.
    ``secrets``: what no output may hold, beside the codes.
    """

    ledger: Ledger
    books: Books
    daemon: DaemonProcess
    lines: list[dict[str, Any]]
    accepted: Mapping[str, str]
    keyed: Mapping[str, str]
    reacted: Counter[tuple[str, str]]
    recovering: bool
    muddied: frozenset[str]
    settle_ms: int
    stopped_ms: int
    unclosed: tuple[str, ...]
    secrets: tuple[bytes, ...]

    def posts(self, submission_id: str) -> list[PostEntry]:
        """This submission's, told by the request id."""
        return [p for p in self.ledger.posts() if _asked(p.request_id)[0] == submission_id]


def _asked(request_id: str | None) -> tuple[str, int]:
    """A POST's submission and attempt."""
    name, _, attempt = (request_id or "-0").rpartition("-")
    return name, int(attempt)


async def read_books(path: Path) -> Books:
    """All of a journal that nobody else has open."""
    journal = await SqliteJournal.open(path)
    try:
        stored = []
        before: SubmissionId | None = None
        while page := await journal.submissions(Query(before=before, limit=500)):
            stored += page
            before = page[-1].submission.id
        due = [
            reaction
            for handler in await journal.reactions_waiting()
            for reaction in await journal.due_reactions(handler, FOR_EVER, 10_000)
        ]
        return Books(
            {s.submission.id: s.code for s in stored},
            {s.submission.id: s.submission for s in stored},
            tuple(row.heard.seq for row in await journal.undisposed()),
            frozenset(reaction.submission_id for reaction in due),
        )
    finally:
        await journal.close()


async def autopsy(state_dir: Path, scratch: Path, accepted: Mapping[str, str]) -> list[str]:
    """Right after a death, on a copy of the journal: what was acknowledged is there, and each open
    submission's file is there, whole."""
    journal = state_dir / "journal.db"
    if not journal.exists():
        return [f"I1 no journal, and {len(accepted)} acknowledged"] if accepted else []
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        if (state_dir / name).exists():
            shutil.copyfile(state_dir / name, scratch / name)
    books = await read_books(scratch / "journal.db")
    found = [f"I1 {name} was acknowledged and is not on disk" for name in _missing(accepted, books)]
    for name, submission in books.submissions.items():
        if submission.state is not State.CLOSED:
            file = state_dir / "spool" / name
            if not file.exists():
                found.append(f"I1 {name} is {submission.state}, and its file is gone")
            elif hashlib.sha256(file.read_bytes()).hexdigest() != submission.file.sha256:
                found.append(f"I1 {name} is {submission.state}, and its file is another")
    return found


def _missing(accepted: Mapping[str, str], books: Books) -> Iterator[str]:
    return (name for name in accepted if SubmissionId(name) not in books.submissions)


def accepted_closes(e: Evidence) -> Iterator[str]:
    """I1: every acknowledged id closes, and nothing was taken in twice under one key."""
    for name in _missing(e.accepted, e.books):
        yield f"I1 {name} was acknowledged and is gone"
    for name, submission in e.books.submissions.items():
        if submission.state is not State.CLOSED:
            yield f"I1 {name} is {submission.state} at the end"
    taken = Counter(e.books.codes.values())
    for code, key in e.keyed.items():
        if taken[code] != 1:
            yield f"I1 {taken[code]} submissions under the key {key}"


def outcomes_are_true(e: Evidence) -> Iterator[str]:
    """I2: no outcome says more than what happened."""
    for name, submission in e.books.submissions.items():
        posts = e.posts(name)
        applied = [post for post in posts if post.applied]
        emitted = {event.for_post for event in e.ledger.events(e.books.codes[submission.id])}
        own = submission.attribution is Attribution.EXCLUSIVE
        match submission.outcome:
            case Outcome.CONFIRMED:
                if own and not any(post.number in emitted for post in posts):
                    yield f"I2 {name} confirmed, and nothing was emitted for it"
                if not emitted:
                    yield f"I2 {name} confirmed, and nothing was emitted for its code"
            case Outcome.PRESUMED:
                if own and not applied:
                    yield f"I2 {name} presumed, and it was never applied"
            case Outcome.UNCONFIRMED | None:
                pass
            case _:
                if applied:
                    yield f"I2 {name} {submission.outcome}, and it was applied"


def accepted_is_sent_once(e: Evidence) -> Iterator[str]:
    """I3: no POST after one whose acceptance we have."""
    for name, submission in e.books.submissions.items():
        numbers = [_asked(post.request_id)[1] for post in e.posts(name)]
        if len(set(numbers)) != len(numbers):
            yield f"I3 {name} has two POSTs of one attempt: {numbers}"
        for attempt in submission.attempts:
            taken = attempt.result is not None and attempt.result.kind is PostKind.ACCEPTED
            if taken and max(numbers, default=0) > attempt.number:
                yield f"I3 {name} was sent again after attempt {attempt.number} was accepted"


def applied_is_never_resent(e: Evidence) -> Iterator[str]:
    """I4: nothing that was applied is sent again, and nothing possibly sent without a settle
    period and an enquiry between."""
    for name, submission in e.books.submissions.items():
        sent = {a.number for a in submission.attempts if a.possibly_sent}
        for earlier, later in pairwise(e.posts(name)):
            if earlier.applied_ms is not None and earlier.applied_ms <= later.received_ms:
                yield f"I4 {name} was applied ({earlier.fault}) and sent again"
            if _asked(earlier.request_id)[1] not in sent:
                continue
            pause = later.received_ms - earlier.received_ms
            if pause + SLACK_MS < e.settle_ms:
                yield f"I4 {name} was sent again after {pause} ms"
            read = (r.read_ms for r in e.ledger.readings(later.code) if r.status == 200)
            if not any(earlier.received_ms < at <= later.received_ms for at in read):
                yield f"I4 {name} was sent again without an enquiry"


def events_have_their_effect(e: Evidence) -> Iterator[str]:
    """I5: every event on disk was disposed of; and wherever a death fell, what was applied ends as
    it would have without: confirmed, or presumed where the upstream keeps nothing for us."""
    for seq in e.books.undisposed:
        yield f"I5 event {seq} was journaled and never correlated"
    for name, submission in e.books.submissions.items():
        code = e.books.codes[submission.id]
        if code in e.muddied or not any(post.applied for post in e.posts(name)):
            continue
        good = {Outcome.CONFIRMED} if e.recovering else {Outcome.CONFIRMED, Outcome.PRESUMED}
        if submission.outcome not in good:
            yield f"I5 {name} was applied and ends {submission.outcome} ({submission.reason})"


def handlers_hear_of_closes(e: Evidence) -> Iterator[str]:
    """I6: a handler heard of each close, as it stands at the end, at least once."""
    for name, submission in e.books.submissions.items():
        last = (str(name), f"{submission.outcome} {submission.attribution} {submission.late}")
        if not e.reacted[last] and name not in e.books.owed:
            yield f"I6 no handler heard of {name}, {last[1]}, and none will"
        if not any(who == name for who, _ in e.reacted):
            yield f"I6 no handler heard of {name} at all"


def one_canonical_line(e: Evidence) -> Iterator[str]:
    """I7: one canonical line for each close; a kill between the commit and the line may leave a
    repeated one alone."""
    told: Counter[str] = Counter()
    again: set[str] = set()
    for line in e.lines:
        if line["event"] == "submission.closed":
            if line.get("repeated"):
                again.add(line["submission_id"])
            else:
                told[line["submission_id"]] += 1
    for name in e.books.submissions:
        if told[name] > 1:
            yield f"I7 {told[name]} canonical lines of {name}"
        if not told[name] and name not in again:
            yield f"I7 no canonical line of {name}"


def no_secret_in_output(e: Evidence) -> Iterator[str]:
    """I8: no code, no file's bytes, no file's name in any output."""
    try:
        no_code_in(e.daemon, set(e.books.codes.values()) | set(e.accepted.values()))
    except AssertionError as error:
        yield f"I8 {error}"
    output = e.daemon.output.read_bytes()
    for secret in e.secrets:
        if secret in output:
            yield "I8 a file's name or bytes stand in the output"


def all_closes_in_time(e: Evidence) -> Iterator[str]:
    """I9: once nobody kills it any more, open goes to zero in bounded time, and nothing fails."""
    for name in e.unclosed:
        yield f"I9 {name} did not close in time"
    for line in e.lines:
        if line["level"] in ("error", "critical"):
            yield f"I9 {line['event']}: {json.dumps(line)[:300]}"


def spool_is_empty(e: Evidence) -> Iterator[str]:
    """I10: no file past its time; nor do the leavings of deaths pile up beside the journal."""
    for name in ("token", "intake.json"):
        for left in e.daemon.state_dir.glob(f".{name}.*"):
            yield f"I10 {left.name} is still there"
    for file in e.daemon.spooled():
        submission = e.books.submissions.get(SubmissionId(file.name))
        until = None if submission is None else submission.keep_file_until_ms
        if until is None or until <= e.stopped_ms:
            yield f"I10 {file.name} is still in the spool"


PROMISES = (
    accepted_closes,
    outcomes_are_true,
    accepted_is_sent_once,
    applied_is_never_resent,
    events_have_their_effect,
    handlers_hear_of_closes,
    one_canonical_line,
    no_secret_in_output,
    all_closes_in_time,
    spool_is_empty,
)


def violations(evidence: Evidence) -> list[str]:
    """Every broken promise, in words."""
    return [problem for promise in PROMISES for problem in promise(evidence)]


def reactions(path: Path) -> Counter[tuple[str, str]]:
    """What the doomed process's handler heard: id, and outcome, attribution and ``late``."""
    if not path.exists():
        return Counter()
    rows = (line.partition(" ") for line in path.read_text().splitlines())
    return Counter((name, said) for name, _, said in rows)
