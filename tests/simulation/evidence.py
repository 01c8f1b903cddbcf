"""What the three witnesses say of one played life: the upstream's ledger, the journal, our log."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

from listener.adapters.journal_sqlite.codec import decode_submission
from listener.core import standing
from listener.core.names import Attribution, CvCode, Disposition, SubmissionId
from listener.core.submission import Submission
from tests.fakes.socket_server import Emission
from tests.fakes.upstream_scripted import Post

from .life import START_NS, Life
from .ports import Line
from .scenario import LIES

EMITTED_S = 1.0
"""An event may be heard that much later than it was emitted."""

NOTICED_S = 15.0
"""How much later the log may tell of a deafness than the deaf connection was let go: by as long as
a slow disk takes to keep the gap."""


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One row of the inbox. ``number``: which emission it was, as the upstream counts them; None
    where what was kept of it does not say."""

    seq: int
    heard_ms: int
    code: CvCode | None
    number: int | None
    disposition: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """What a gap's row says: when it was, and what became of what it touched; None: not settled."""

    start_ms: int
    end_ms: int
    became: Counter[str] | None


@dataclass(frozen=True)
class Evidence:
    """Read once, when a life is over."""

    life: Life

    @cached_property
    def submissions(self) -> dict[SubmissionId, tuple[CvCode, Submission]]:
        """The journal's, by id."""
        rows = self.life.disk.ask("SELECT id, code, doc FROM submissions ORDER BY id")
        return {SubmissionId(i): (CvCode(c), decode_submission(doc)) for i, c, doc in rows}

    @cached_property
    def inbox(self) -> list[InboxEntry]:
        """The journal's, in order of receipt."""
        rows = self.life.disk.ask(
            "SELECT seq, heard_ms, code, payload, disposition FROM inbox ORDER BY seq"
        )
        return [
            InboxEntry(s, ms, c and CvCode(c), json.loads(p).get("application_id"), d)
            for s, ms, c, p, d in rows
        ]

    @cached_property
    def gaps(self) -> list[tuple[int, int | None]]:
        """The journal's: (start, end) in its milliseconds, end None while open."""
        return self.life.disk.ask("SELECT start_ms, end_ms FROM gaps ORDER BY start_ms")

    @cached_property
    def accounts(self) -> list[Account]:
        """The journal's, of the gaps that have ended."""
        rows = self.life.disk.ask(
            "SELECT start_ms, end_ms, settled_ms, became FROM gaps WHERE end_ms IS NOT NULL"
        )
        return [
            Account(start, end, None if settled is None else Counter(json.loads(became)))
            for start, end, settled, became in rows
        ]

    @cached_property
    def outcomes(self) -> dict[SubmissionId, set[str]]:
        """The journal's facts: every outcome that a submission ever had, corrected ones too."""
        found: dict[SubmissionId, set[str]] = defaultdict(set)
        for (body,) in self.life.disk.ask("SELECT body FROM facts"):
            for event, fact in json.loads(body):
                if event in ("submission.closed", "submission.corrected"):
                    found[SubmissionId(fact["submission_id"])].add(fact["outcome"])
        return found

    @cached_property
    def postponed(self) -> dict[SubmissionId, int]:
        """The journal's reactions whose handlers failed: when, in its milliseconds, they are asked
        again."""
        rows = self.life.disk.ask("SELECT submission_id, due_ms FROM reactions WHERE tries > 0")
        return {SubmissionId(name): due_ms for name, due_ms in rows}

    @cached_property
    def heard_of(self) -> dict[CvCode, list[InboxEntry]]:
        """The inbox, by code."""
        found: dict[CvCode, list[InboxEntry]] = defaultdict(list)
        for entry in self.inbox:
            if entry.code is not None:
                found[entry.code].append(entry)
        return found

    @cached_property
    def posts(self) -> dict[SubmissionId, list[Post]]:
        """The ledger's, by submission, in order."""
        found: dict[SubmissionId, list[Post]] = defaultdict(list)
        for post in self.life.upstream.ledger.posts:
            found[SubmissionId(post.request_id.rsplit("-", 1)[0])].append(post)
        return found

    @cached_property
    def lines(self) -> dict[str, list[Line]]:
        """The log's, by event."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.life.log.lines:
            found[line.event].append(line)
        return found

    @cached_property
    def updates_of(self) -> Counter[CvCode]:
        """How many submissions each code has in the journal."""
        return Counter(code for code, _ in self.submissions.values())

    def muddied(self, code: CvCode) -> bool:
        """Whether events or movements of a code may be no single update's."""
        ledger = self.life.upstream.ledger
        return code in ledger.foreign or code in self.lied_about

    @cached_property
    def doubled(self) -> set[CvCode]:
        """Codes of which an update was told more than once."""
        ledger = self.life.upstream.ledger
        names = {ledger.owners[number].rsplit("-", 1)[0] for number in ledger.again}
        return {code for name, (code, _) in self.submissions.items() if name in names}

    def told_long_after(self, number: int | None) -> bool:
        """Whether an emission is an update's second, more than a settle period after its first: a
        younger one's own for whoever cannot know that (docs/state-machine.md)."""
        first_s = self.life.upstream.ledger.again.get(number or 0)
        if first_s is None or number is None:
            return False
        settle_s = self.life.scenario.policy.settle_ms / 1000
        return self.life.server.emissions[number - 1].at_s > first_s + settle_s - EMITTED_S

    def foreign_shortly_before(self, code: CvCode, submission: Submission) -> bool:
        """Whether somebody else's event was heard less than a settle period before, by the process
        that sent it, and it is said to be exclusive all the same."""
        first = standing.first_sent(submission)
        exclusive = submission.attribution is Attribution.EXCLUSIVE
        if first is None or not exclusive or self.life.scenario.clock_jumps:
            return False
        starts = [
            START_NS // 10**6 + round(line.at_s * 1000) for line in self.lines["journal.recovered"]
        ]
        # What a process knew of codes without a lane dies with it.
        born_ms = max((ms for ms in starts if ms <= first.began_ms), default=0)
        since_ms = max(born_ms, first.began_ms - self.life.scenario.policy.settle_ms)
        return any(
            since_ms < entry.heard_ms < first.began_ms
            and entry.disposition == Disposition.FOREIGN
            and entry.number not in self.life.upstream.ledger.owners
            for entry in self.heard_of[code]
        )

    @cached_property
    def lied_about(self) -> set[CvCode]:
        """Codes of which the upstream refused an update and applied it all the same."""
        posts = self.life.upstream.ledger.posts
        return {post.code for post in posts if set(post.fault.split("+")) & set(LIES)}

    @cached_property
    def unprovable(self) -> set[int]:
        """Emissions, by number, to which a connection was deaf that ended without being found out:
        nothing that was ever heard tells of them."""
        proofs = [
            line.at_s
            for line in self.lines["subscription.compared"]
            if line.fields["verdict"] == "first_deaf"
        ]
        server = self.life.server
        return {
            number
            for number, wire in server.unheard
            if not any(
                server.emissions[number - 1].at_s <= at_s
                and (wire.ended_s is None or at_s <= wire.ended_s + NOTICED_S)
                for at_s in proofs
            )
        }

    @cached_property
    def readable(self) -> list[Emission]:
        """The ledger's emissions that say which they are."""
        return [e for e in self.life.server.emissions if _number(e.args[0]) == e.number]


def _number(body: object) -> object:
    """The number that an emission carries, in either shape of its payload."""
    if not isinstance(body, dict):
        return None
    return body.get("application_id", _number(body.get("data")))


def summary(life: Life) -> str:
    """One line of what a life was like."""
    posts = Counter(post.fault for post in life.upstream.ledger.posts)
    ends = Counter(
        str(line.fields["outcome"]) for line in life.log.lines if line.event == "submission.closed"
    )
    return (
        f"seed {life.scenario.seed}: {dict(ends)} after posts {dict(posts)}, "
        f"runs ended {dict(life.ends)}"
    )
