"""The parts of the page, each made of the accounts."""

from __future__ import annotations

from collections.abc import Callable

from listener.core.reasons import ATTEMPT, CLOSE, find
from listener.plots import (
    Bar,
    Mark,
    Tone,
    Track,
    Words,
    bars,
    brief,
    duration,
    histogram,
    number,
    series,
    timeline,
    tone_of,
)

from . import figures
from .account import Account
from .endings import COLUMNS, Case
from .incidents import KINDS
from .markup import Column, Html, html, joined, notes, section, table, tag, toned
from .moments import day_clock, short
from .remarks import (
    advice,
    attempt_notes,
    deaf_in_words,
    ended,
    outcome_notes,
    plural,
    since_then,
)
from .signs import Loud
from .sketch import Sketch

QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
_LEVEL_TONES = {"warning": Tone.UNSURE, "error": Tone.BAD, "critical": Tone.BAD}
MOST_AWAY = 12
MOST_INCIDENTS = 40
MOST_RUNS = 40
MOST_EVENTS = 60
MOST_INSTANCES = 20


def plain(word: str) -> str:
    """A stable word, to be read."""
    return word.replace("_", " ")


def outcomes(account: Account) -> Html:
    """How many ended how."""
    rows = figures.outcomes(account)
    closed = figures.closed(account)
    told = ", ".join(f"{row.outcome} {number(row.count)}" for row in rows) or "nothing closed"
    drawn = bars(
        Words("plot-outcomes", "Outcomes", f"Of {number(closed)} that closed: {told}."),
        [
            Bar(
                plain(row.outcome), row.count, tone_of(row.outcome),
                f"{number(row.count)} · {100 * row.share:.2f} %",
            )
            for row in rows
        ],
        whole=closed,
    )  # fmt: skip
    said = f"{number(closed)} submissions closed, {number(account.endings.accepted)} were accepted"
    content = (Html(drawn) if rows else "", notes(outcome_notes(account)))
    return section("outcomes", "Outcomes", said, *content, half=True)


def latency(account: Account) -> Html:
    """How fast they were confirmed."""
    confirm = account.endings.confirm
    marks = [(name, confirm.quantile(q) or 0.0) for name, q in QUANTILES]
    told = ", ".join(f"{name} {duration(value)}" for name, value in marks)
    drawn = histogram(
        Words(
            "plot-latency",
            "Confirmation latency",
            f"{number(confirm.count)} confirmed: {told}, at most {duration(confirm.most)}."
            if confirm.count
            else "Nothing was confirmed.",
        ),
        figures.bins(confirm),
        shown=brief,
        marks=[Mark(value, f"{name} {duration(value)}") for name, value in marks],
    )
    said = "From the first byte sent to the event heard"
    content = Html(drawn) if confirm.count else tag("p", "Nothing was confirmed.")
    return section("latency", "Confirmation latency", said, content, half=True)


def over_time(account: Account) -> Html:
    """When they closed, and what stood in the way."""
    closes = account.endings.by_time.over(*figures.period(account))
    start, end = closes.start_ms, closes.end_ms
    tones = (Tone.PLAIN, Tone.GOOD, Tone.UNSURE, Tone.BAD, Tone.QUIET)
    tracks = [
        Track(name, values, tone)
        for name, values, tone in zip(COLUMNS, closes.columns, tones, strict=True)
    ][1:]
    drawn = [
        series(
            Words(
                "plot-closes",
                "Closes over time",
                f"{number(figures.closed(account))} closes, by how they were told at first; "
                f"a column stands for {duration(closes.step_ms)} or some more.",
            ),
            *(start, end, tracks),
        )
    ]
    lanes = figures.lanes(account)
    told = "; ".join(f"{lane.label}: {lane.note}" for lane in lanes)
    drawn.append(
        timeline(Words("plot-timeline", "Timeline of what went wrong", told), start, end, lanes)
    )
    said = deaf_in_words(account) or "never deaf"
    every = [one for each in figures.deaf(account) for one in each.missed + each.replayed]
    longest = sorted(every, key=lambda one: one.start_ms - one.end_ms)[:MOST_AWAY]
    rows = [
        (
            day_clock(one.start_ms), duration(one.end_ms - one.start_ms), plain(one.why),
            "may have been missed" if one.missed else "all replayed", one.replica,
        )
        for one in sorted(longest, key=lambda one: one.start_ms)
    ]  # fmt: skip
    what = "Times without a subscription"
    what += f": the longest {len(rows)} of {number(len(every))}" * (len(every) > len(rows))
    columns = [
        Column("since"), Column("lasted", "n"), Column("why"), Column("events"),
        Column("replica"),
    ]  # fmt: skip
    shown = table(what, columns, rows)
    touched = account.incidents.touched
    also = [f"{plural(touched, 'submission')} waited for the event in a gap"] if touched else []
    return section(
        "timeline", "Timeline", said[:1].upper() + said[1:], *map(Html, drawn), shown, notes(also)
    )


def evidence(account: Account) -> Html:
    """What the outcomes rest on."""
    rows = [
        (toned(plain(outcome), tone_of(outcome)), number(n), plain(what))
        for outcome, what, n in figures.evidence(account)
    ]
    columns = [Column("outcome"), Column("count", "n"), Column("evidence")]
    first = table("Evidence", columns, rows[:20])
    verdicts = [
        (job, plain(verdict), number(n))
        for job, counts in figures.verdicts(account)
        for verdict, n in counts.most_common(6)
    ]
    jobs = [Column("job"), Column("verdict on its dispatch"), Column("count", "n")]
    reasons = [
        (toned(plain(row.outcome), tone_of(row.outcome)), plain(reason), number(n), _means(reason))
        for row in figures.outcomes(account)
        for reason, n in row.reasons.most_common(8)
    ]
    why = [
        Column("outcome"),
        Column("reason"),
        Column("count", "n"),
        Column("which means", "w"),
    ]
    content = (first, table("The two jobs", jobs, verdicts), table("Reasons", why, reasons))
    return section("evidence", "How it is known", "What each outcome rests on", *content)


def _means(reason: str) -> str:
    found = find(CLOSE, reason) or find(ATTEMPT, reason)
    return found.meaning if found else ""


def durations(account: Account) -> Html:
    """Where the time goes."""
    columns = [Column("from … to"), Column("count", "n")]
    columns += [Column(name, "n") for name, _ in QUANTILES] + [Column("most", "n")]
    some = [*figures.spans_of_time(account), ("each POST", account.attempts.took)]
    rows = [(name, *_quantiles(sketch)) for name, sketch in some]
    slowest = [_case(case) for case in account.endings.slowest()]
    return section(
        "durations", "Where the time goes", "", table("Durations", columns, rows),
        table("The slowest, from acceptance to the close", _CASE, slowest),
    )  # fmt: skip


def _quantiles(sketch: Sketch) -> list[str]:
    if not sketch.count:
        return ["0", "", "", "", ""]
    values = [duration(sketch.quantile(q) or 0.0) for _, q in QUANTILES]
    return [number(sketch.count), *values, duration(sketch.most)]


_CASE = [
    Column("submission, cv_ref", "m"), Column("outcome"), Column("reason", "r"),
    Column("closed"), Column("total", "n"), Column("confirmed in", "n"), Column("attempts", "n"),
]  # fmt: skip


def _case(case: Case) -> tuple[object, ...]:
    total = "" if case.total_ms is None else duration(case.total_ms)
    heard = "" if case.confirm_ms is None else duration(case.confirm_ms)
    word = toned(plain(case.outcome), tone_of(case.outcome))
    names = joined([case.submission_id, tag("div", case.cv_ref, css="under")])
    return (
        names, word, plain(case.reason), short(case.closed_ms), total, heard,
        number(case.attempts),
    )  # fmt: skip


def attempts(account: Account) -> Html:
    """How POSTs ended."""
    told = account.attempts
    rows = [
        (plain(result), plain(detail), str(status or ""), number(n))
        for (result, detail, status), n in told.ways.most_common(20)
    ]
    columns = [Column("result"), Column("detail"), Column("HTTP", "n"), Column("count", "n")]
    tried = [(number(tries), number(n)) for tries, n in figures.tries(account)]
    by = [Column("attempts"), Column("submissions", "n")]
    content = (
        table("How attempts ended", columns, rows),
        table("Attempts of those that closed", by, tried),
        notes(attempt_notes(account)),
    )
    return section("attempts", "Attempts", "", *content, half=True)


def calling(account: Account) -> Html:
    """Which call for a person."""
    cases = account.endings.doubtful()
    if not cases:
        return Html("")
    rows = [_case(case) for case in cases[:20]]
    said = "The last that are neither confirmed nor presumed; cv-listener show ID tells all of one"
    return section("person", "These call for a person", said, table("Submissions", _CASE, rows))


def open_ones(account: Account) -> Html:
    """What had not closed."""
    waiting = figures.oldest(account)
    rows = [(name, ref, day_clock(at_ms)) for name, at_ms, ref in waiting]
    columns = [Column("submission", "m"), Column("cv_ref", "m"), Column("accepted")]
    beats = [
        (
            beat.replica, day_clock(beat.at_ms),
            ", ".join(f"{number(n)} {plain(s)}" for s, n in beat.open_by_state.items()) or "none",
            "" if beat.oldest_wait_ms is None else duration(beat.oldest_wait_ms),
            ("listening" if beat.connected else f"deaf for {duration(beat.deaf_ms)}")
            + since_then(account, beat),
        )
        for beat in list(account.pulse.last.values())[:MOST_INSTANCES]
    ]  # fmt: skip
    last = [
        Column("replica"), Column("at"), Column("open"), Column("oldest", "n"), Column(""),
    ]  # fmt: skip
    said = f"{number(len(account.endings.open))} accepted in this log and not closed in it"
    content = (
        table("The oldest of them", columns, rows),
        table("As the last heartbeat says", last, beats),
        _pulse(account),
    )
    return section("open", "Open at the end", said, *content, half=True)


def _pulse(account: Account) -> Html:
    pulse = account.pulse.by_time.over(*figures.period(account))
    values = pulse.columns[0]
    if sum(value is not None for value in values) < 3:
        return Html("")
    most = account.pulse.most
    words = (
        f"At most {number(most.get('open', 0))} open; the oldest waited "
        f"{duration(most.get('oldest_wait_ms', 0))} at most."
    )
    drawn = series(
        Words("plot-open", "Open submissions over time", words),
        *(pulse.start_ms, pulse.end_ms, [Track("open, by heartbeats", values)]),
        lines=True,
    )
    health = (
        f"Longest delay of the event loop {duration(most.get('loop_lag_ms', 0))}; slowest "
        f"99th percentile of a commit {most.get('fsync_p99_ms', 0):.1f} ms."
    )
    return joined([tag("h3", "Over time"), Html(drawn), notes([words, health])])


def incidents(account: Account) -> Html:
    """What began and ended."""
    end = figures.period(account)[1]
    some = sorted(account.incidents.all(), key=lambda one: -one.lasted_ms(end))[:MOST_INCIDENTS]
    rows = [
        (
            one.kind.name, one.subject or one.replica, day_clock(one.start_ms),
            duration(one.lasted_ms(end)), _how(one.end_ms, one.cut), plain(one.why),
        )
        for one in sorted(some, key=lambda one: one.start_ms)
    ]  # fmt: skip
    total = sum(account.incidents.number(kind) for kind in KINDS)
    if not total:
        return Html("")
    columns = [
        Column("what"), Column("whose"), Column("since"), Column("lasted", "n"), Column("ended"),
        Column("why"),
    ]  # fmt: skip
    shown = f"{number(total)} in all" + (
        f", the longest {len(rows)} of them here" * (total > len(rows))
    )
    return section("incidents", "Incidents", shown, table("Incidents", columns, rows))


def _how(end_ms: int | None, cut: bool) -> str:
    if end_ms is None:
        return "lasts"
    return "with its run" if cut else ""


def runs(account: Account) -> Html:
    """The daemon's lives."""
    some = account.runs.all()
    rows = [
        (
            run.run_id, run.replica, run.version, day_clock(run.first_ms), day_clock(run.last_ms),
            ended(account, run.run_id),
        )
        for run in some[-MOST_RUNS:]
    ]  # fmt: skip
    columns = [
        Column("run", "m"), Column("replica"), Column("version"), Column("from"), Column("to"),
        Column("ended"),
    ]  # fmt: skip
    return section("runs", "Runs of the daemon", "", table("Runs", columns, rows))


def warnings(account: Account) -> Html:
    """What was loud, and what to do about it."""
    loudest = account.signs.loudest()
    if not loudest:
        return Html("")
    total = sum(loud.count for loud in loudest)
    rows = [
        (
            toned(loud.level, _LEVEL_TONES.get(loud.level, Tone.BAD)), loud.event,
            number(loud.count), day_clock(loud.last_ms), _advice(loud),
        )
        for loud in loudest[:MOST_EVENTS]
    ]  # fmt: skip
    columns = [
        Column("level"), Column("event", "m"), Column("count", "n"), Column("last"),
        Column("what to do", "w"),
    ]  # fmt: skip
    said = f"{number(total)} lines of {number(account.signs.kinds)} events"
    shown = table("By event, the gravest first", columns, rows)
    return section("warnings", "Warnings and above", said, shown)


def _advice(loud: Loud) -> Html:
    said = list(advice(loud))
    if len(said) == 1:
        return Html(html(said[0]))
    return tag("ul", *(tag("li", one) for one in said))


Part = tuple[str, str, Callable[[Account], Html]]

PARTS: tuple[Part, ...] = (
    ("outcomes", "Outcomes", outcomes),
    ("latency", "Latency", latency),
    ("timeline", "Timeline", over_time),
    ("person", "For a person", calling),
    ("warnings", "Warnings", warnings),
    ("incidents", "Incidents", incidents),
    ("attempts", "Attempts", attempts),
    ("open", "Open", open_ones),
    ("durations", "Durations", durations),
    ("evidence", "Evidence", evidence),
    ("runs", "Runs", runs),
)
"""(its name, its link's text, what makes it), in their order."""
