"""The report as one JSON object, for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from . import figures
from .account import Account
from .endings import Case, Ending, tallied
from .incidents import KINDS
from .signs import Loud
from .sketch import Sketch


def as_json(account: Account) -> dict[str, Any]:
    """The whole report, for programs. Times are milliseconds since the Unix epoch, durations too
    are milliseconds; ``version`` grows when a name goes or changes its meaning."""
    tally, endings = account.tally, account.endings
    return {
        "version": 1,
        "period": {"first_ms": tally.first_ms, "last_ms": tally.last_ms},
        "read": _read(account),
        "submissions": {
            "accepted": endings.accepted,
            "closed": figures.closed(account),
            "outcomes": [_outcome(row) for row in figures.outcomes(account)],
            "evidence": [
                dict(zip(_EVIDENCE, row, strict=True)) for row in figures.evidence(account)
            ],
            "verdicts": {job: dict(counts) for job, counts in figures.verdicts(account)},
            "corrections": [
                {"before": before, "after": after, "count": n}
                for (before, after), n in endings.corrections.most_common()
            ],
            "corrected_from_before_the_log": _by_outcome(endings.elsewhere()),
            "told_again": endings.repeats,
            "forgotten": endings.forgotten,
            "slowest": [_case(case) for case in endings.slowest()],
            "calling": [_case(case) for case in endings.doubtful()],
        },
        "durations_ms": {
            name.replace(" ", "_"): _quantiles(sketch)
            for name, sketch in figures.spans_of_time(account)
        },
        "confirmation_histogram": [
            {"from_ms": one.low, "below_ms": one.high, "count": one.count}
            for one in figures.bins(endings.confirm)
        ],
        "attempts": _attempts(account),
        **_over_time(account),
        "warnings": [_loud(loud) for loud in account.signs.loudest()],
    }


_EVIDENCE = ("outcome", "evidence", "count")


def _over_time(account: Account) -> dict[str, Any]:
    _, end = figures.period(account)
    return {
        "deaf": [
            {
                "replica": each.replica,
                "missed_ms": each.missed_ms,
                "replayed_ms": each.replayed_ms,
                "times": [
                    {
                        "start_ms": one.start_ms,
                        "end_ms": one.end_ms,
                        "reason": one.why,
                        "replayed": not one.missed,
                    }
                    for one in sorted(each.missed + each.replayed, key=lambda a: a.start_ms)
                ],
            }
            for each in figures.deaf(account)
        ],
        "touched_by_gaps": account.incidents.touched,
        "incidents": [
            {
                "kind": one.kind.name,
                "subject": one.subject,
                "replica": one.replica,
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "lasted_ms": one.lasted_ms(end),
                "reason": one.why,
                "ended_with_its_run": one.cut,
            }
            for one in account.incidents.all()
        ],
        "incident_counts": {
            kind.name: n for kind in KINDS if (n := account.incidents.number(kind))
        },
        "runs": [
            {
                "run_id": run.run_id,
                "replica": run.replica,
                "version": run.version,
                "started_ms": run.started_ms,
                "first_ms": run.first_ms,
                "last_ms": run.last_ms,
                "ended": run.ended or None,
            }
            for run in account.runs.all()
        ],
        "open": _open(account),
    }


def _open(account: Account) -> dict[str, Any]:
    return {
        "accepted_and_not_closed": len(account.endings.open),
        "oldest": [
            {"submission_id": name, "cv_ref": ref, "accepted_ms": at_ms}
            for name, at_ms, ref in figures.oldest(account)
        ],
        "heartbeats": [
            {
                "replica": beat.replica,
                "at_ms": beat.at_ms,
                "open_by_state": beat.open_by_state,
                "oldest_wait_ms": beat.oldest_wait_ms,
                "connected": beat.connected,
                "dropped_lines": beat.dropped_lines,
            }
            for beat in account.pulse.last.values()
        ],
    }


def _attempts(account: Account) -> dict[str, Any]:
    attempts = account.attempts
    return {
        "results": dict(attempts.results),
        "ways": [
            {"result": way[0], "detail": way[1], "http_status": way[2] or None, "count": n}
            for way, n in attempts.ways.most_common()
        ],
        "by_submission": {str(tried): n for tried, n in figures.tries(account)},
        "sent_again": attempts.requeued,
        "declined": attempts.declined,
        "retried_by_hand": attempts.retried,
        "joined": attempts.joined,
        "post_ms": _quantiles(attempts.took),
    }


def _loud(loud: Loud) -> dict[str, Any]:
    return {
        "event": loud.event,
        "level": loud.level,
        "count": loud.count,
        "first_ms": loud.first_ms,
        "last_ms": loud.last_ms,
        "what_to_do": loud.what_to_do,
        "reasons": [
            {"word": word, "count": n, "meaning": meaning, "what_to_do": todo}
            for word, n, meaning, todo in loud.reasons()
        ],
    }


def _read(account: Account) -> dict[str, Any]:
    tally, signs = account.tally, account.signs
    return {
        "files": tally.files,
        "lines": tally.lines,
        "bytes": tally.bytes,
        "of_the_daemon": tally.ours,
        "outside_of_the_window": tally.outside,
        "of_other_programs": tally.other,
        "console_format": tally.console,
        "torn": tally.torn,
        "too_long": tally.too_long,
        "broken_files": [{"file": n, "why": why} for n, why in tally.broken],
        "dropped_by_the_daemon": signs.dropped,
        "suppressed": signs.suppressed,
        "shortened": signs.shortened,
        "catalogue_misses": signs.misses,
        "events": dict(signs.events.most_common()),
    }


def _outcome(row: figures.OutcomeRow) -> dict[str, Any]:
    return {
        "outcome": row.outcome,
        "count": row.count,
        "late": row.late,
        "contended": row.contended,
        "reasons": dict(row.reasons.most_common()),
    }


def _by_outcome(endings: Counter[Ending]) -> dict[str, int]:
    return dict(tallied(endings, lambda one: one.outcome))


def _quantiles(sketch: Sketch) -> dict[str, Any]:
    return {
        "count": sketch.count,
        "least": sketch.least if sketch.count else None,
        "p50": _rounded(sketch, 0.5),
        "p90": _rounded(sketch, 0.9),
        "p99": _rounded(sketch, 0.99),
        "most": sketch.most if sketch.count else None,
    }


def _case(case: Case) -> dict[str, Any]:
    return {name: getattr(case, name) for name in case.__slots__}


def _rounded(sketch: Sketch, q: float) -> float | None:
    value = sketch.quantile(q)
    return None if value is None else round(value, 1)
