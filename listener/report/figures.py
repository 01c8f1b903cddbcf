"""What the accounts come to, for whoever shows it: rows, lanes of the timeline, bins."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from listener.core.names import Attribution, Outcome
from listener.plots import Bin, Row, Span, Tone, duration, log_edges, number

from .account import Account
from .endings import evidence_of, tallied
from .incidents import KINDS, SUBSCRIPTION, Away, Kind, away
from .sketch import Sketch, union_ms

REPLICAS = 4
"""So many have a lane each; beyond, one lane is all theirs."""


@dataclass(slots=True)
class OutcomeRow:
    """``share``: of all that closed, 0 to 1."""

    outcome: str
    count: int
    share: float
    late: int
    contended: int
    reasons: Counter[str] = field(default_factory=Counter)


def outcomes(account: Account) -> list[OutcomeRow]:
    """In the order of ``Outcome``, those that there are."""
    rows: dict[str, OutcomeRow] = {}
    endings = account.endings.endings()
    whole = sum(endings.values()) or 1
    for ending, n in endings.items():
        row = rows.setdefault(ending.outcome, OutcomeRow(ending.outcome, 0, 0.0, 0, 0))
        row.count += n
        row.late += n if ending.late else 0
        row.contended += n if ending.attribution == Attribution.CONTENDED else 0
        if ending.reason:
            row.reasons[ending.reason] += n
    for row in rows.values():
        row.share = row.count / whole
    order = [*(word.value for word in Outcome), "unknown"]
    return sorted(rows.values(), key=lambda row: order.index(row.outcome))


def closed(account: Account) -> int:
    """Submissions whose close stands in the log."""
    return sum(account.endings.endings().values())


def evidence(account: Account) -> list[tuple[str, str, int]]:
    """(outcome, evidence, how many)."""
    return list(evidence_of(account.endings.endings()))


def verdicts(account: Account) -> Iterator[tuple[str, Counter[str]]]:
    """(job, verdicts on its dispatch)."""
    endings = account.endings.endings()
    yield "enhancement", _named(tallied(endings, lambda one: one.enhancement))
    yield "analysis", _named(tallied(endings, lambda one: one.analysis))


def tries(account: Account) -> list[tuple[int, int]]:
    """(attempts, how many submissions closed after so many)."""
    found: Counter[int] = Counter()
    for ending, n in account.endings.endings().items():
        found[ending.attempts] += n
    return sorted(found.items())


def _named(counts: Counter[str]) -> Counter[str]:
    return Counter({name: n for name, n in counts.items() if name})


def spans_of_time(account: Account) -> list[tuple[str, Sketch]]:
    """Where the time goes, as (what, its times)."""
    endings = account.endings
    return [
        ("waiting to be sent", endings.queued),
        ("last POST", endings.post),
        ("confirmation", endings.confirm),
        ("acceptance to close", endings.total),
    ]


def bins(sketch: Sketch) -> list[Bin]:
    """For a histogram: values below 1 ms stand at 1 ms."""
    if not sketch.count:
        return []
    edges = log_edges(max(1, sketch.least), max(1, sketch.most) + 0.5)
    counts = [0] * (len(edges) - 1)
    place = 0
    for value, n in sketch.values():
        while place < len(counts) - 1 and value >= edges[place + 1]:
            place += 1
        counts[place] += n
    return [Bin(edges[i], edges[i + 1], n) for i, n in enumerate(counts)]


# ---------------------------------------------------------------------------------------- time


def period(account: Account) -> tuple[int, int]:
    """From the first line to the last."""
    tally = account.tally
    return tally.first_ms or 0, tally.last_ms or 0


@dataclass(slots=True)
class Deaf:
    """Of one replica: times without a subscription, each joined with those that it touches."""

    replica: str
    missed: list[Away]
    replayed: list[Away]
    missed_ms: int
    replayed_ms: int


def deaf(account: Account) -> list[Deaf]:
    """By replica. Times outside of the log's are cut off."""
    start, end = period(account)
    by: dict[str, list[Away]] = defaultdict(list)
    for one in away(account.incidents, account.runs, end):
        if one.end_ms >= start and one.start_ms <= end:
            low, high = max(one.start_ms, start), min(one.end_ms, end)
            by[one.replica].append(Away(one.replica, low, high, one.why, one.missed))
    return [_deaf(replica, found) for replica, found in sorted(by.items())]


def _deaf(replica: str, found: list[Away]) -> Deaf:
    missed = _joined([one for one in found if one.missed])
    replayed = _joined([one for one in found if not one.missed])
    lengths = [union_ms((one.start_ms, one.end_ms) for one in some) for some in (missed, replayed)]
    return Deaf(replica, missed, replayed, *lengths)


def _joined(found: list[Away]) -> list[Away]:
    joined: list[Away] = []
    for one in sorted(found, key=lambda a: (a.start_ms, -a.end_ms)):
        last = joined[-1] if joined else None
        if last is not None and one.start_ms <= last.end_ms:
            end = max(last.end_ms, one.end_ms)
            joined[-1] = Away(last.replica, last.start_ms, end, last.why, last.missed)
        else:
            joined.append(one)
    return joined


def lanes(account: Account) -> list[Row]:
    """Of the timeline: what kept the daemon from its work, and when. Deafness has one always."""
    found = deaf(account)
    rows = _deaf_lanes(found)
    pauses = list(account.runs.pauses())
    if pauses:
        spans = [Span(start, end, Tone.QUIET, "between two runs") for _, start, end in pauses]
        rows.append(_lane("not running", spans))
    for kind in KINDS:
        if kind.name != SUBSCRIPTION and account.incidents.number(kind):
            rows.append(_incident_lane(account, kind))
    return rows


def _deaf_lanes(found: list[Deaf]) -> list[Row]:
    if len(found) > REPLICAS:
        missed = [one for each in found for one in each.missed]
        replayed = [one for each in found for one in each.replayed]
        found = [Deaf("", missed, replayed, 0, 0)]
    rows = []
    for each in found or [Deaf("", [], [], 0, 0)]:
        named = f" ({each.replica})" if len(found) > 1 else ""
        rows.append(_lane(f"deaf{named}", [_span(one, Tone.BAD) for one in each.missed]))
        if each.replayed:
            spans = [_span(one, Tone.PLAIN) for one in each.replayed]
            rows.append(_lane(f"cut off, all replayed{named}", spans))
    return rows


def _span(one: Away, tone: Tone) -> Span:
    return Span(one.start_ms, one.end_ms, tone, one.why.replace("_", " "))


def _lane(label: str, spans: list[Span]) -> Row:
    if not spans:
        return Row(label, [], "never")
    lasted = union_ms((round(s.start_ms), round(s.end_ms or s.start_ms)) for s in spans)
    return Row(label, spans, f"{number(len(spans))} × · {duration(lasted)}")


def _incident_lane(account: Account, kind: Kind) -> Row:
    tone = Tone.BAD if kind.grave else Tone.UNSURE
    end = period(account)[1]
    some = [one for one in account.incidents.all() if one.kind is kind]
    spans = [
        Span(one.start_ms, one.end_ms, tone, " ".join(filter(None, (one.subject, one.why))))
        for one in some
    ]
    lasting = sum(one.lasted_ms(end) for one in some if one.end_ms is None)
    cut = sum(one.lasted_ms(end) for one in some if one.cut)
    total = account.incidents.lasted[kind.name] + lasting + cut
    note = f"{number(account.incidents.number(kind))} × · {duration(total)}"
    return Row(kind.name, spans, note + (" · lasts" if lasting else ""))


def oldest(account: Account, most: int = 10) -> list[tuple[str, int, str]]:
    """(id, when it was accepted, its cv_ref) of those that are open, the oldest first."""
    found = sorted((at, name, ref) for name, (at, ref) in account.endings.open.items())
    return [(name, at, ref) for at, name, ref in found[:most]]
