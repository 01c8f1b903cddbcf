"""Every metric, as data: its name, its type, its labels with all that they can say, its meaning.

What ``/metrics`` shows is made of it, and so is ``docs/metrics.md``. A label says a word of one of
the core's closed vocabularies, or a handler's name in the settings: never a code, a ``cv_ref``, an
id, or anything that somebody else chose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import Level
from listener.core.names import (
    BreakerState,
    Comparison,
    Disposition,
    GapReason,
    Movement,
    Outcome,
    PostKind,
    State,
)
from listener.core.reasons import ATTEMPT, OTHER, SUBSCRIPTION
from listener.core.view import EVIDENCE, NO_EVIDENCE
from listener.ports.vitals import BreakerName, QueueName

PREFIX = "cv_listener_"


class Kind(StrEnum):
    """What a metric is. An ``INFO`` is always 1: what it tells stands in its labels."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Label:
    """``words``: all that it can say; empty where that is set by the process (``from_settings``:
    by the settings; otherwise one word in all its life)."""

    name: str
    words: tuple[str, ...] = ()
    from_settings: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. ``name``: without the prefix; a counter's ends in ``_total``. ``buckets``: a
    histogram's upper bounds, in seconds."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """As it stands in a query; of a histogram, before ``_bucket``, ``_sum`` or ``_count``."""
        return PREFIX + self.name


def _label(name: str, words: Iterable[str]) -> Label:
    return Label(name, tuple(str(word) for word in words))


_OUTCOME = _label("outcome", Outcome)
_EVIDENCE = _label("evidence", (*EVIDENCE, NO_EVIDENCE))
_MOVEMENT = _label("movement", Movement)
_BREAKER = _label("breaker", BreakerName)
_HANDLER = Label("handler", from_settings=True)
_LOST = _label("reason", (*SUBSCRIPTION, OTHER))
_DETAIL = _label("detail", (*ATTEMPT, OTHER))

_WAITS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400)
"""From what a healthy upstream takes to CV_DELIVER_WITHIN."""
_POSTS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120)
_COMMITS = (0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_C, _G, _H, _I = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM, Kind.INFO

GROUPS: dict[str, tuple[Spec, ...]] = {
    "Submissions": (
        Spec("submissions_open", _G, "Submissions that are not closed, as the journal has them.",
             (_label("state", (state for state in State if state is not State.CLOSED)),)),
        Spec("submissions_oldest_wait_seconds", _G,
             "Age of the oldest open submission; 0 where none is open."),
        Spec("submissions_accepted_total", _C, "Submissions that were taken in."),
        Spec("submissions_closed_total", _C,
             "Submissions that closed, by how they ended and by the strongest evidence for it.",
             (_OUTCOME, _EVIDENCE)),
        Spec("submissions_corrected_total", _C,
             "Outcomes that a later truth replaced, by what it says now.", (_OUTCOME,)),
        Spec("submissions_reattributed_total", _C,
             "Submissions whose event may be another update's after all."),
        Spec("submissions_contradicted_total", _C,
             "Submissions that the upstream refused, and whose event was heard."),
        Spec("submissions_requeued_total", _C,
             "Submissions in doubt that are sent again, the record being unmoved."),
        Spec("submission_queued_seconds", _H,
             "From acceptance to the first attempt possibly sent, of those that closed.",
             buckets=_WAITS),
        Spec("submission_confirm_seconds", _H,
             "From the first attempt possibly sent to the event, of those that closed.",
             buckets=_WAITS),
        Spec("submission_duration_seconds", _H, "From acceptance to the close.", buckets=_WAITS),
    ),
    "Attempts and enquiries": (
        Spec("attempts_total", _C, "POSTs that ended, by what is known of them.",
             (_label("result", PostKind),)),
        Spec("attempt_failures_total", _C, "POSTs that were not accepted, by how they ended.",
             (_DETAIL,)),
        Spec("attempt_duration_seconds", _H, "How long a POST took.", buckets=_POSTS),
        Spec("attempts_in_flight", _G, "Attempts under way, their baselines included."),
        Spec("attempts_declined_total", _C,
             "Attempts not made, for the record was not proven unmoved.", (_MOVEMENT,)),
        Spec("enquiries_total", _C, "Readings of the record on behalf of a submission, by what it "
             "shows against the baseline.", (_MOVEMENT,)),
        Spec("enquiry_failures_total", _C, "Those that could not be read, by how they failed.",
             (_DETAIL,)),
        Spec("sending_paused", _G, "1 where sending was paused by hand."),
        Spec("upstream_holds_total", _C, "Times in which the upstream asked for quiet."),
        Spec("upstream_hold_seconds", _G, "For how long nothing is sent yet because of that."),
        Spec("breaker_state", _G, "1 for the state that the breaker is in: that of sending, or "
             "that of the readings of records.", (_BREAKER, _label("state", BreakerState))),
        Spec("breaker_opened_total", _C, "How often it opened.", (_BREAKER,)),
    ),
    "Hearing": (
        Spec("subscription_connected", _G, "1 while we listen, 0 while we are deaf."),
        Spec("deaf_seconds_total", _C, "How long we were deaf, the present deafness included: from "
             "the last frame of a connection that is lost, and from the start to the first one."),
        Spec("subscription_losses_total", _C, "Subscriptions lost, by why.", (_LOST,)),
        Spec("subscription_reconnects_total", _C,
             "Subscriptions won back, by why they had been lost.", (_LOST,)),
        Spec("subscription_connect_failures_total", _C, "Tries to connect that failed, by why.",
             (_LOST,)),
        Spec("subscription_comparisons_total", _C, "What second connections showed of a "
             "subscription that was doubted.", (_label("verdict", Comparison),)),
        Spec("gaps_total", _C, "Times without a proven subscription that have ended, by why what "
             "was missed cannot be replayed.", (_label("reason", GapReason),)),
        Spec("events_received_total", _C, "Events that were heard, of any kind."),
        Spec("events_disposed_total", _C, "What became of heard events. One that is held counts "
             "again as what it turns out to be.", (_label("disposition", Disposition),)),
        Spec("last_frame_timestamp_seconds", _G,
             "When anything at all last came over the socket; absent before."),
        Spec("last_event_timestamp_seconds", _G, "When the last event came; absent before."),
    ),
    "Queues and handlers": (
        Spec("queue_depth", _G, "What waits in memory: signals of the socket (ear), lanes that "
             "are ready to be sent (sending), readings of the record (enquiries).",
             (_label("queue", QueueName),)),
        Spec("event_streams", _G, "Clients that follow GET /v1/events."),
        Spec("handler_waiting", _G, "Outcomes, or other events, that the handler has not heard of "
             "yet.", (_HANDLER,)),
        Spec("handler_failures_total", _C, "Calls of the handler that failed.", (_HANDLER,)),
        Spec("handler_disabled", _G, "1 where the handler has failed for days, or is gone.",
             (_HANDLER,)),
    ),
    "Journal, disk and log": (
        Spec("journal_answers", _G, "1 where the journal answered this scrape; where it did not, "
             "what is asked of it is absent."),
        Spec("journal_commit_seconds", _H,
             "How long a transaction of the journal's writer took, its fsync included.",
             buckets=_COMMITS),
        Spec("spool_bytes", _G, "Bytes of files in the spool."),
        Spec("spool_quota_bytes", _G, "How many there may be (CV_SPOOL_QUOTA)."),
        Spec("state_disk_free_bytes", _G,
             "Bytes that this user may still write on the disk of the state folder."),
        Spec("log_events_total", _C, "Events told to the log, those below CV_LOG_LEVEL included; "
             f"{OTHER} stands for one that is not in the catalogue.",
             (_label("event", (*CATALOGUE, OTHER)), _label("level", Level))),
        Spec("log_dropped_lines_total", _C, "Lines dropped because nobody read them."),
        Spec("log_suppressed_lines_total", _C,
             "Lines held back because many like them came from one place."),
    ),
    "The process": (
        Spec("loop_lag_seconds", _H, "How late the event loop was, looked at once a second.",
             buckets=_LAGS),
        Spec("draining", _G, "1 while the daemon is on its way out."),
        Spec("start_time_seconds", _G, "When this run started: counters begin there."),
        Spec("build_info", _I, "The program's version, and Python's.",
             (Label("version"), Label("python"))),
    ),
}  # fmt: skip
"""Every metric, as the papers group them."""

SPECS: dict[str, Spec] = {spec.name: spec for specs in GROUPS.values() for spec in specs}
"""By name, without the prefix."""
