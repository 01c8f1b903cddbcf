"""Sentences that the terminal and the page have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from listener.plots import duration, number

from . import figures
from .account import Account
from .moments import day_clock
from .pulse import Beat
from .signs import Loud


def empty(account: Account) -> str:
    """Why there is nothing to tell."""
    tally = account.tally
    if tally.outside:
        return f"Nothing in that window: all {number(tally.outside)} lines lie outside of it."
    if tally.console:
        return "No line in JSON: the log is in the form for people. Set CV_LOG_FORMAT=json."
    if not tally.lines:
        return "The log is empty."
    return "None of these lines is the daemon's."


def remarks(account: Account) -> Iterator[str]:
    """What a reader must know of how much of the log could be reckoned with."""
    tally, signs = account.tally, account.signs
    for number_of, why in tally.broken:
        yield f"file {number_of}: {why}; what came before is reckoned with"
    counts = (
        (tally.other, "of other programs, left out"),
        (tally.console, "in the form for people (CV_LOG_FORMAT=console), left out"),
        (tally.torn, "torn or unreadable, left out"),
        (tally.too_long, "too long, left out"),
        (tally.outside if tally.first_ms is not None else 0, "outside of the window, left out"),
        (signs.dropped, "dropped by the daemon because nobody read them: figures are too low"),
        (signs.suppressed, "held back by the daemon, alike to others"),
        (signs.shortened, "shortened by the daemon"),
        (signs.misses, "that the daemon's own catalogue does not have: please report it"),
    )
    for count, what in counts:
        if count:
            yield f"{plural(count, 'line')} {what}"
    if account.endings.forgotten and account.endings.elsewhere():
        yield (
            f"of {number(account.endings.forgotten)} early closes it is not remembered how they "
            "ended: a correction of one of them counts below as of before the log"
        )


def plural(count: int, what: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def outcome_notes(account: Account) -> Iterator[str]:
    """What the outcomes alone do not say."""
    rows, endings = figures.outcomes(account), account.endings
    late, contended = sum(row.late for row in rows), sum(row.contended for row in rows)
    if late:
        yield f"{number(late)} late: the event came after the close, and corrected it"
    if contended:
        yield f"{number(contended)} contended: the event may be another update's"
    for (before, after), n in endings.corrections.most_common(6):
        yield f"{number(n)} corrected from {before} to {after}"
    elsewhere = sum(endings.elsewhere().values())
    if elsewhere:
        yield f"{number(elsewhere)} of the corrected closed before the log: not in the table"
    if endings.repeats:
        yield f"{number(endings.repeats)} closes were told again, and count once"


def deaf_in_words(account: Account) -> str:
    """How long events may have been missed, and how long they were replayed."""
    found = figures.deaf(account)
    said = []
    missed, replayed = (
        sum(len(each.missed) for each in found),
        sum(len(each.replayed) for each in found),
    )
    if missed:
        lasted = sum(each.missed_ms for each in found)
        said.append(f"deaf {_times(missed)}, {duration(lasted)} in all")
    if replayed:
        lasted = sum(each.replayed_ms for each in found)
        said.append(f"cut off {_times(replayed)} and all replayed, {duration(lasted)}")
    return "; ".join(said)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count)} times"


def attempt_notes(account: Account) -> Iterator[str]:
    """What else became of attempts."""
    attempts = account.attempts
    for count, what in (
        (attempts.requeued, "to be sent again: in doubt, settled, and unmoved"),
        (attempts.declined, "not sent again: the record was not proven unmoved"),
        (attempts.retried, "accepted again by hand"),
        (attempts.joined, "joined to one that was open"),
    ):
        if count:
            yield f"{number(count)} {what}"


def since_then(account: Account, beat: Beat) -> str:
    """Whether the daemon ended after its last heartbeat: then that tells of nothing any more."""
    later = [run for run in account.runs.all() if run.replica == beat.replica]
    last = max(later, key=lambda run: run.last_ms, default=None)
    if last is None or not last.ended or last.last_ms < beat.at_ms:
        return ""
    return f"; it {last.ended} at {day_clock(last.last_ms)}"


def ended(account: Account, run_id: str) -> str:
    """How a run ended, in words."""
    run = account.runs.named(run_id)
    if run is None or not account.runs.over(run):
        return "runs on, as far as the log says"
    words = {"stopped": "in order", "failed": "failed: see daemon.failed"}
    return words.get(run.ended, "without a word: killed, or crashed")


def advice(loud: Loud) -> Iterable[str]:
    """What to do, by the reasons that were given, or as the event says."""
    said = loud.reasons(3)
    by_reason = [f"{word} ({number(n)}): {todo}" for word, n, _, todo in said if todo]
    if by_reason:
        return by_reason
    named = ", ".join(f"{word} ({number(n)})" for word, n, _, _ in said)
    general = loud.what_to_do or "Not in this version's catalogue."
    return [f"{named}: {general}" if named else general]


def size(count: int) -> str:
    """Bytes, in words."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"
