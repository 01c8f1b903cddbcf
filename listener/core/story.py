"""What happened to a submission, fact by fact, in words. Pure.

What is told is made of our own words and numbers. The upstream's words (statuses) are shown only
where they look like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .durations import lasting
from .evidence import Gap
from .names import Disposition, Millis, Movement, PostKind, State
from .reasons import ATTEMPT, CLOSE, GAP, SUBSCRIPTION, Words, find
from .view import rfc3339

Fields = Mapping[str, Any]
"""A fact's fields, as its JSON has them."""

RESULTS: Mapping[PostKind, str] = {
    PostKind.NOT_SENT: "nothing was sent",
    PostKind.THROTTLED: "the upstream asked for quiet",
    PostKind.REFUSED: "refused",
    PostKind.ACCEPTED: "accepted",
    PostKind.POSSIBLY_SENT: "it may have been applied",
}

STATES: Mapping[State, str] = {
    State.QUEUED: "it waits to be sent again",
    State.SENDING: "it is being sent",
    State.AWAITING: "its event is waited for",
    State.IN_DOUBT: "its event is waited for, and the record enquired of",
    State.CLOSED: "that ends it",
}

MOVEMENTS: Mapping[Movement, str] = {
    Movement.MOVED: "the record has moved as an applied update moves it",
    Movement.UNMOVED: "the record has not moved",
    Movement.INCOMPARABLE: "the record cannot tell: there is no reading from before to hold it "
    "against",
    Movement.UNKNOWN: "the record could not be read, or was read too early to tell",
}

DISPOSITIONS: Mapping[Disposition, str] = {
    Disposition.CONFIRMED: "its event was heard: that confirms it",
    Disposition.HELD: "an event was heard while it was being sent: kept until the attempt's end",
    Disposition.CANDIDATE: "an event was heard that may be another update's: the record is to tell",
    Disposition.DUPLICATE: "a further event was heard: whose is which is not certain any more",
    Disposition.FOREIGN: "an event was heard that is nobody's here",
    Disposition.CONTRADICTION: "an event was heard though the upstream had refused it",
    Disposition.CORRECTED: "its event was heard after the close: that corrects it",
    Disposition.MALFORMED: "an event was heard that cannot be read",
}

_STATUS = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")


def _accepted(fact: Fields) -> str:
    again = f", to send {fact['retry_of']} again" if fact.get("retry_of") else ""
    return f"accepted: a {fact['kind']} of {fact['size']} bytes{again}"


def _began(fact: Fields) -> str:
    before = (
        "the record was read before"
        if fact["baseline_known"]
        else "the record could not be read before"
    )
    other = "; somebody else had updated it meanwhile" if fact["contended"] else ""
    return f"attempt {fact['attempt']} begins; {before}{other}"


def _ended(fact: Fields) -> str:
    took = lasting(fact["duration_ms"])
    status = f" (HTTP {fact.get('http_status')})" if fact.get("http_status") is not None else ""
    result = RESULTS[PostKind(fact["result"])]
    why = "" if fact.get("detail") == fact["result"] else _because(ATTEMPT, fact.get("detail"))
    again = fact.get("retry_at")
    after = STATES[State(fact["state"])]
    if again is not None and again > fact["at_ms"]:
        after = f"it is sent again in {lasting(again - fact['at_ms'])}"
    return f"attempt {fact['attempt']} ended after {took}: {result}{status}{why}; {after}"


def _declined(fact: Fields) -> str:
    return f"not sent again after all: {MOVEMENTS[Movement(fact['movement'])]}"


def _correlated(fact: Fields) -> str:
    replayed = " (replayed by the server)" if fact["replayed"] else ""
    return DISPOSITIONS[Disposition(fact["disposition"])] + replayed


def _enquired(fact: Fields) -> str:
    statuses = [_status(fact.get(name)) for name in ("status", "enhance_status")]
    shown = ", ".join(word for word in statuses if word)
    said = f" (status {shown})" if shown else ""
    movement = Movement(fact["movement"])
    why = _because(ATTEMPT, fact.get("detail")) if movement is Movement.UNKNOWN else ""
    return f"{MOVEMENTS[movement]}{said}{why}"


def _closed(fact: Fields) -> str:
    return f"closed as {_outcome(fact)}{_because(CLOSE, fact.get('reason'))}"


def _corrected(fact: Fields) -> str:
    before = str(fact["outcome_before"]).replace("_", " ")
    return f"corrected from {before} to {_outcome(fact)}{_because(CLOSE, fact.get('reason'))}"


def _outcome(fact: Fields) -> str:
    owner = f", {fact['attribution']}" if fact.get("attribution") else ""
    return str(fact["outcome"]).replace("_", " ") + owner


TOLD: Mapping[str, Callable[[Fields], str]] = {
    "submission.accepted": _accepted,
    "attempt.began": _began,
    "attempt.ended": _ended,
    "attempt.declined": _declined,
    "event.correlated": _correlated,
    "record.enquired": _enquired,
    "submission.requeued": lambda fact: (
        "in doubt no more: the record has not moved, and it is sent again"
    ),
    "submission.contradicted": lambda fact: (
        f"the upstream refused it, and yet its event was heard"
        f"{_because(ATTEMPT, fact.get('detail'))}"
    ),
    "submission.closed": _closed,
    "submission.corrected": _corrected,
    "submission.reattributed": lambda fact: "a further event came: whose is which is not certain",
    "submission.cancel_requested": lambda fact: "withdrawn by command: it takes effect when it can",
    "lane.rested": lambda fact: "its CV rests: nothing is sent to it for a while",
    "lane.released": lambda fact: f"its CV rests no more: {MOVEMENTS[Movement(fact['movement'])]}",
}
"""Every fact's event, and how it is told."""


def fact_words(event: str, fact: Fields) -> str:
    """One fact of the journal, in words. One of a later version of the program is told by its
    name."""
    tell = TOLD.get(event)
    try:
        return event if tell is None else tell(fact)
    except (KeyError, ValueError, TypeError):
        return event


def gap_words(gap: Gap, now_ms: int) -> str:
    """A time of deafness that touched it."""
    end = now_ms if gap.end_ms is None else gap.end_ms
    lasted = f"deaf for {lasting(end - gap.start_ms)}"
    return (
        f"{lasted}{', until now' if gap.end_ms is None else ''}"
        f"{_because(GAP, gap.reason) or _because(SUBSCRIPTION, gap.reason)}"
    )


def touching(gaps: Iterable[Gap], start_ms: int, end_ms: int) -> list[Gap]:
    """Those that touch [start, end]."""
    return [
        gap
        for gap in gaps
        if gap.start_ms <= end_ms and (gap.end_ms is None or gap.end_ms >= start_ms)
    ]


def fact_shown(at_ms: Millis, event: str, fact: Fields) -> dict[str, Any]:
    """One fact in its public form: when, what, in words, and its fields."""
    hidden = ("at_ms", "submission_id", "status", "enhance_status")
    shown = {name: value for name, value in fact.items() if value is not None}
    for name in ("until", "retry_at"):
        if name in shown:
            shown[name] = rfc3339(shown[name])
    return {
        "at": rfc3339(at_ms),
        "event": event,
        "words": fact_words(event, fact),
        **{name: value for name, value in shown.items() if name not in hidden},
    }


def gap_shown(gap: Gap, now_ms: int) -> dict[str, Any]:
    """The same of a gap; ``event`` is ``gap``, ``until`` None while it lasts."""
    return {
        "at": rfc3339(gap.start_ms),
        "event": "gap",
        "words": gap_words(gap, now_ms),
        "until": rfc3339(gap.end_ms),
        "reason": gap.reason,
    }


def _because(words: Words, word: object) -> str:
    reason = find(words, word) or find(CLOSE, word) or find(ATTEMPT, word)
    if reason is None:
        return ""
    return f": {word} ({reason.meaning.rstrip('.')})"


def _status(word: object) -> str:
    """The upstream's word, where it looks like one."""
    if not isinstance(word, str) or not word:
        return ""
    return word if _STATUS.fullmatch(word) else "…"
