"""What the Node server's books, the daemon's journal and its own answers say of one run, held
against one another. Each check says in words what it finds broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import apsw

from listener.core.evidence import Gap
from listener.core.names import GapReason, Millis
from tests.interop.node_server import NodeServer

from .process import DaemonProcess, no_code_in


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the inbox."""

    code: str | None
    heard_ms: int
    replayed: bool
    disposition: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run, after everything has closed and the daemon has stopped.

    ``emitted``: code and time of each event, in order of emission. ``ends``: the public form of
    each submission acknowledged, and ``accepted`` its code. ``cuts``: from when to when, by the
    same clock, nobody reached the server. ``lines``: the daemon's log.
    """

    emitted: Sequence[tuple[str | None, int]]
    ledger: Mapping[str, Mapping[str, int]]
    inbox: Sequence[Row]
    gaps: Sequence[Gap]
    accepted: Mapping[str, str]
    ends: Mapping[str, Mapping[str, Any]]
    cuts: Sequence[tuple[int, int]]
    lines: Sequence[Mapping[str, Any]]
    daemon: DaemonProcess

    def missed(self) -> set[str | None]:
        """Codes that were emitted and not heard."""
        return {code for code, _ in self.emitted} - {row.code for row in self.inbox}

    def window(self, name: str) -> tuple[int, int]:
        """Of a submission: from its first sending to its close, in milliseconds."""
        end = self.ends[name]
        return _millis(end["sent_at"]), _millis(end["closed_at"])

    def deaf_ms(self, name: str) -> int:
        """What the journal's gaps cover of a submission's window, as far as could be known at its
        close: nothing that was missed is concluded from while deaf, so a gap that ends after the
        close began with a silence that nobody had noticed yet."""
        began, closed = self.window(name)
        known = ((gap.start_ms, gap.end_ms) for gap in self.gaps if gap.end_ms is not None)
        return sum(max(0, end - max(began, start)) for start, end in known if end <= closed)


async def gather(
    daemon: DaemonProcess,
    server: NodeServer,
    accepted: Mapping[str, str],
    cuts: Sequence[tuple[int, int]] = (),
) -> Evidence:
    """All that is known at the end. Stops the daemon, which must end with 0."""
    ends = {row["id"]: row for row in await daemon.listed()}
    assert await daemon.stop() == 0
    inbox, gaps = read_journal(daemon.state_dir / "journal.db")
    return Evidence(
        emitted=await server.emissions(),
        ledger=await server.ledger(),
        inbox=inbox,
        gaps=gaps,
        accepted=accepted,
        ends=ends,
        cuts=cuts,
        lines=daemon.lines(),
        daemon=daemon,
    )


def read_journal(path: Path) -> tuple[list[Row], list[Gap]]:
    """Inbox by seq, and gaps in order, of a journal that nobody has open."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        inbox = [
            Row(code, heard_ms, bool(replayed), disposition)
            for code, heard_ms, replayed, disposition in db.execute(
                "SELECT code, heard_ms, replayed, disposition FROM inbox ORDER BY seq"
            )
        ]
        gaps = [
            Gap(Millis(start), None if end is None else Millis(end), reason)
            for start, end, reason in db.execute(
                "SELECT start_ms, end_ms, reason FROM gaps ORDER BY start_ms, id"
            )
        ]
    finally:
        db.close()
    return inbox, gaps


def _millis(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


# ------------------------------------------------------------------------------ of every run


def nothing_is_heard_that_was_not_emitted(e: Evidence) -> Iterator[str]:
    """What was heard stands in the inbox in order of emission, each event once."""
    place = {code: number for number, (code, _) in enumerate(e.emitted)}
    if len(place) != len(e.emitted):
        yield "the run emitted a code twice, and cannot be judged"
    for code, times in Counter(row.code for row in e.inbox).items():
        if times > 1:
            yield f"event {code} stands {times} times in the inbox"
        if code not in place:
            yield f"event {code} stands in the inbox, and was never emitted"
    for before, after in pairwise(row.code for row in e.inbox if row.code in place):
        if place[before] > place[after]:
            yield f"event {after} was emitted before {before}, and stands after it"
    for number, row in enumerate(e.inbox):
        if row.disposition is None:
            yield f"event {row.code}, the {number}th, was never correlated"


def each_is_posted_once(e: Evidence) -> Iterator[str]:
    """By the server's ledger: one POST for each submission, and none for anything else."""
    for code in set(e.accepted.values()) ^ set(e.ledger):
        yield f"{code} is in one of the ledger and our acknowledgements alone"
    for code, told in e.ledger.items():
        if told != {"posts": 1, "applied": 1, "emitted": 1}:
            yield f"{code} stands in the ledger as {dict(told)}"


def nothing_is_confirmed_falsely(e: Evidence) -> Iterator[str]:
    """Confirmed: the server emitted for it, and the event is in the inbox."""
    heard = {row.code for row in e.inbox}
    for name, end in e.ends.items():
        code = e.accepted[name]
        if end["outcome"] == "confirmed" and not (
            code in heard and e.ledger.get(code, {}).get("emitted")
        ):
            yield f"{code} is confirmed, and its event was not heard"


def nothing_goes_wrong(e: Evidence) -> Iterator[str]:
    """No line for a person to act on, and no code in any."""
    for line in e.lines:
        if line["level"] in ("error", "critical"):
            yield f"the log says {line['event']}: {dict(line)}"
    try:
        no_code_in(e.daemon, e.accepted.values())
    except AssertionError as error:
        yield str(error)


# --------------------------------------------------------------------- where all is recovered


def all_is_heard(e: Evidence) -> Iterator[str]:
    """Every event is in the inbox."""
    missed = e.missed()
    for number, (code, _) in enumerate(e.emitted):
        if code in missed:
            yield f"event {code}, the {number}th, was not heard"


def no_gap_but_the_first(e: Evidence) -> Iterator[str]:
    """The one gap is that before the first subscription of all."""
    if [gap.reason for gap in e.gaps] != [GapReason.STARTED]:
        yield f"expected the first gap alone, found {e.gaps}"


def what_came_late_says_so(e: Evidence) -> Iterator[str]:
    """An event that was emitted while nobody could hear it is marked as replayed, and so is the
    evidence of the submission that it confirms."""
    rows = {row.code: row for row in e.inbox}
    in_a_cut = [code for code, at_ms in e.emitted if any(a < at_ms < b for a, b in e.cuts)]
    for code in in_a_cut:
        if code in rows and not rows[code].replayed:
            yield f"event {code} was emitted in a cut, and is not marked as replayed"
    for name, end in e.ends.items():
        row = rows.get(e.accepted[name])
        if row is None:
            continue
        wanted = "replayed_event" if row.replayed else "event"
        for job, told in end["dispatch"].items():
            if wanted not in told["evidence"]:
                yield f"{name} has for its {job} {told}, and its event is {row}"


def all_are_confirmed(e: Evidence) -> Iterator[str]:
    """Each submission by its own event."""
    for name, end in e.ends.items():
        if (end["outcome"], end["attribution"]) != ("confirmed", "exclusive"):
            yield f"{name} ends {end['outcome']}, {end['attribution']}, {end['reason']}"


# ------------------------------------------------------------------- where nothing is recovered


def gaps_cover_what_was_missed(e: Evidence) -> Iterator[str]:
    """Between two events that were heard with missed ones between them, a gap has its end."""
    heard_ms = {row.code: row.heard_ms for row in e.inbox}
    ends_ms = [gap.end_ms for gap in e.gaps if gap.end_ms is not None]
    before_ms, missed = 0, list[str | None]()
    for code, _ in e.emitted:
        if code not in heard_ms:
            missed.append(code)
            continue
        if missed and not any(before_ms < end <= heard_ms[code] for end in ends_ms):
            yield f"{len(missed)} events from {missed[0]} on were missed, and no gap says so"
        before_ms, missed = heard_ms[code], []
    if missed:
        yield "the run ended with a missed event, and cannot be judged"
    for gap in e.gaps:
        if gap.end_ms is None:
            yield f"{gap} has no end"


def what_was_missed_is_presumed(e: Evidence) -> Iterator[str]:
    """Confirmed by its event, or, where that was missed, presumed by the record, with its deaf
    time: the whole of what the journal's gaps cover."""
    heard = {row.code for row in e.inbox}
    for name, end in e.ends.items():
        if e.accepted[name] in heard:
            wanted: tuple[str, str | None] = ("confirmed", None)
        else:
            wanted = ("presumed", "record_moved_while_deaf")
            if not end["deaf_ms"] == e.deaf_ms(name) > 0:
                yield f"{name} was deaf for {end['deaf_ms']} ms, by the gaps for {e.deaf_ms(name)}"
        if end["outcome"] != wanted[0] or (wanted[1] and end["reason"] != wanted[1]):
            yield f"{name} ends {end['outcome']}, {end['reason']}; expected {wanted}"
        if end["attribution"] != "exclusive":
            yield f"{name} is {end['attribution']}, and nobody else updates it"


Check = Callable[[Evidence], Iterator[str]]
Seen = TypeVar("Seen")

ALWAYS: Sequence[Check] = (
    nothing_is_heard_that_was_not_emitted,
    each_is_posted_once,
    nothing_is_confirmed_falsely,
    nothing_goes_wrong,
)
RECOVERED: Sequence[Check] = (
    *ALWAYS,
    all_is_heard,
    no_gap_but_the_first,
    what_came_late_says_so,
    all_are_confirmed,
)
UNRECOVERED: Sequence[Check] = (
    *ALWAYS,
    gaps_cover_what_was_missed,
    what_was_missed_is_presumed,
)


def violations(evidence: Seen, checks: Sequence[Callable[[Seen], Iterator[str]]]) -> list[str]:
    """Everything that is broken, in words; of each check at most a few."""
    found: list[str] = []
    for check in checks:
        some = list(check(evidence))
        found += some[:5]
        if len(some) > 5:
            found.append(f"… and {len(some) - 5} more of that kind")
    return found
