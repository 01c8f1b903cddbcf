"""Every alert there is, once. Made of it: ``deploy/alerts/loki-rules.yaml`` from ``log``,
``deploy/alerts/prometheus-rules.yaml`` from ``metrics``, the page ``docs/alerts.md``, and what
``cv-listener report --alerts`` looks for.

An alert is for what a person can do something about, now (``PAGE``) or by daylight (``TICKET``).
That one of them fires for its fault, and no other with it, is held against recordings of each fault
(``tests/alerts``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .alarms import Absent, Condition, Counted, Lines, Share, Stays, Unended, Without
from .measured import Measured, closed_share, told

M = 60
H = 3_600


class Severity(StrEnum):
    """``PAGE``: the promise is at stake, now. ``TICKET``: look at it by daylight."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """``log`` or ``metrics`` None: the one cannot show it."""

    name: str
    severity: Severity
    meaning: str
    what_to_do: str
    log: Condition | None
    metrics: Measured | None
    see: str = ""
    """The event in the log's catalogue that says more."""


_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_BEAT = "daemon.heartbeat"
_CLOSED = Lines("submission.closed")


def _closed(*outcomes: str) -> Lines:
    return Lines("submission.closed", (("outcome", outcomes),))


ALERTS: tuple[Alert, ...] = (
    # -------------------------------------------------------------------------- is it there at all
    Alert(
        "DaemonSilent", _PAGE,
        "No sign of life for five minutes: the process is gone, hangs, or its log goes nowhere.",
        "See whether it runs, and what its last lines say. What it accepted is on disk and is "
        "taken up at the next start; nothing is heard meanwhile.",
        Absent(_BEAT, 5 * M),
        # Of a target that is there no more, a pod say, nobody expects an answer.
        Measured(
            "absent(cv_listener_start_time_seconds) or (up == 0 and on (job, instance) "
            "last_over_time(cv_listener_start_time_seconds[1d]))",
            5 * M,
        ),
        see=_BEAT,
    ),
    Alert(
        "DaemonNotBack", _PAGE,
        "It was told to end, did so in order, and none was started within ten minutes.",
        "Start it again, or end the alert if it is to stay away.",
        Unended(Lines("daemon.stopped"), ("daemon.started",), 10 * M),
        None,
        see="daemon.stopped",
    ),
    Alert(
        "DaemonRestarts", _PAGE,
        "It was started four times or more within fifteen minutes: something ends it.",
        "Read daemon.failed, or what ended it from outside: memory, a probe, the watchdog.",
        Counted((Lines("daemon.started"),), 4, 15 * M),
        Measured("changes(cv_listener_start_time_seconds[15m]) >= 3"),
        see="daemon.started",
    ),
    Alert(
        "DaemonFailed", _PAGE,
        "It ended because it could not keep its promise: the disk, the journal, the settings.",
        "Do what the line's error and hint say.",
        Counted((Lines("daemon.failed"),), 1, 15 * M),
        None,
        see="daemon.failed",
    ),
    # ------------------------------------------------------------------------------------- hearing
    Alert(
        "SubscriptionDeaf", _PAGE,
        "Nothing has been heard of the upstream's events for five minutes. What is sent now is "
        "presumed at best.",
        "See that the upstream serves, and what subscription.failed says. To hold back what would "
        "be sent deaf: cv-listener pause.",
        Stays(_BEAT, "deaf_ms", 5 * M * 1_000, 0),
        Measured("cv_listener_subscription_connected == 0", 5 * M),
        see="subscription.lost",
    ),
    Alert(
        "SubscriptionRefused", _PAGE,
        "The server says no to our subscription.",
        "Check CV_SOCKET_AUTH, CV_SOCKET_HEADERS, CV_SOCKET_NAMESPACE and CV_SOCKET_PATH.",
        Counted((Lines("subscription.refused"),), 1, 15 * M),
        told("subscription.refused"),
        see="subscription.refused",
    ),
    Alert(
        "GapsFrequent", _TICKET,
        "The subscription was lost five times or more within half an hour.",
        "Look at what stands between the upstream and here: a proxy's idle time, a restart loop.",
        Counted((Lines("subscription.lost"),), 5, 30 * M),
        Measured(
            "sum without (reason) (increase(cv_listener_subscription_losses_total[30m])) >= 4.5"
        ),
        see="subscription.lost",
    ),
    # ---------------------------------------------------------------------------------- the promise
    Alert(
        "ConfirmationsStopped", _PAGE,
        "Ten updates or more were accepted within fifteen minutes, none was confirmed, and so it "
        "has been for two minutes.",
        "See event.never_heard and subscription.compared: probably the wrong event, namespace or "
        "room, or the upstream emits nothing. cv-listener tail --raw-shape shows what comes.",
        Without(
            Lines("attempt.ended", (("result", ("accepted",)),)),
            10,
            _closed("confirmed"),
            15 * M,
            2 * M,
        ),
        Measured(
            'sum without (result) (increase(cv_listener_attempts_total{result="accepted"}[15m])) '
            "> 9.5 and sum without (outcome, evidence) "
            '(increase(cv_listener_submissions_closed_total{outcome="confirmed"}[15m])) == 0',
            2 * M,
        ),
        see="event.never_heard",
    ),
    Alert(
        "ConfirmationsSlow", _TICKET,
        "Half of the confirmations of fifteen minutes, of ten or more, took over ten seconds, and "
        "CV_CONFIRM_TIMEOUT is 30 s by default.",
        "Ask the upstream's side what its jobs wait for; raise CV_CONFIRM_TIMEOUT and "
        "CV_SETTLE_PERIOD before updates close as unconfirmed.",
        Share(
            Lines("submission.closed", (("outcome", ("confirmed",)),), ("confirm_ms", 10_000)),
            _closed("confirmed"),
            0.5,
            10,
            15 * M,
        ),
        Measured(
            "histogram_quantile(0.5, "
            "rate(cv_listener_submission_confirm_seconds_bucket[15m])) > 10 "
            "and increase(cv_listener_submission_confirm_seconds_count[15m]) > 9"
        ),
        see="submission.closed",
    ),
    Alert(
        "Unresolved", _TICKET,
        "An update was accepted or possibly sent, and its jobs are not known to be dispatched.",
        "cv-listener list --needs-person; then cv-listener explain ID, and ask the upstream's "
        "side, or cv-listener retry ID.",
        Counted((_closed("unconfirmed", "not_dispatched"),), 1, 15 * M),
        Measured(
            "sum without (outcome, evidence) (increase(cv_listener_submissions_closed_total"
            '{outcome=~"unconfirmed|not_dispatched"}[15m])) > 0'
        ),
        see="submission.closed",
    ),
    Alert(
        "PresumedMany", _TICKET,
        "A fifth or more of the updates of an hour, of five or more, are presumed: we were deaf "
        "when their events came.",
        "Look at the gaps (cv-listener gaps), and whether the upstream offers recovery.",
        Share(_closed("presumed"), _CLOSED, 0.2, 5, H),
        closed_share("presumed"),
        see="gap.settled",
    ),
    Alert(
        "RejectedMany", _TICKET,
        "The upstream refused a fifth or more of the updates of an hour, of five or more.",
        "Look at the reasons (cv-listener list --outcome rejected): wrong codes, files that are "
        "too large, a changed upstream.",
        Share(_closed("rejected"), _CLOSED, 0.2, 5, H),
        closed_share("rejected"),
        see="submission.closed",
    ),
    Alert(
        "Undelivered", _TICKET,
        "The time of an update ran out, and it was never sent.",
        "Its reason says why (cv-listener list --outcome undelivered); submit it again.",
        Counted((_closed("undelivered"),), 1, 15 * M),
        Measured(
            "sum without (outcome, evidence) (increase(cv_listener_submissions_closed_total"
            '{outcome="undelivered"}[15m])) > 0'
        ),
        see="submission.closed",
    ),
    Alert(
        "WaitLong", _TICKET,
        "The oldest open update has waited for 30 minutes.",
        "cv-listener explain ID says what for.",
        Stays(_BEAT, "oldest_wait_ms", 30 * M * 1_000, 0),
        Measured("cv_listener_submissions_oldest_wait_seconds >= 1800"),
        see=_BEAT,
    ),
    # ------------------------------------------------------------------------------------- sending
    Alert(
        "SendingHalted", _PAGE,
        "Attempts failed in a row, and nothing has got through for ten minutes. What is accepted "
        "waits on disk.",
        "See that the upstream serves: attempt.ended says how its requests end.",
        Unended(
            Lines("upstream.circuit_opened"),
            ("upstream.circuit_closed", "daemon.started"),
            10 * M,
        ),
        Measured(
            'cv_listener_breaker_state{breaker="sending",state="closed"} == 0',
            10 * M,
        ),
        see="upstream.circuit_opened",
    ),
    Alert(
        "SendingPaused", _TICKET,
        "Sending has been paused by hand for 30 minutes.",
        "cv-listener resume, when updates may be sent again.",
        Stays(_BEAT, "paused_ms", 30 * M * 1_000, 0),
        Measured("cv_listener_sending_paused == 1", 30 * M),
        see="sending.paused",
    ),
    Alert(
        "UpstreamThrottles", _TICKET,
        "The upstream asked for fewer requests (429) ten times or more within fifteen minutes.",
        "Lower CV_MAX_IN_FLIGHT, or ask the upstream's side for more.",
        Counted((Lines("attempt.ended", (("result", ("throttled",)),)),), 10, 15 * M),
        Measured(
            'sum without (result) (increase(cv_listener_attempts_total{result="throttled"}[15m])) '
            "> 9"
        ),
        see="upstream.held",
    ),
    Alert(
        "CredentialsFail", _PAGE,
        "A function of yours that is to make credentials makes none: nothing is sent, or heard.",
        "Mend the function that CV_API_HEADERS or CV_SOCKET_… names; the line says what it raised.",
        Counted(
            (
                Lines("upstream.credentials_failed"),
                Lines("subscription.refused", (("reason", ("no_credentials",)),)),
            ),
            3,
            15 * M,
        ),
        Measured(
            "(sum without (event, level) "
            '(increase(cv_listener_log_events_total{event="upstream.credentials_failed"}[15m])) '
            "> 2) or (sum without (reason) "
            '(increase(cv_listener_subscription_connect_failures_total{reason="no_credentials"}'
            "[15m])) > 2)"
        ),
        see="upstream.credentials_failed",
    ),
    # ------------------------------------------------------------------------------------ handlers
    Alert(
        "HandlerFails", _TICKET,
        "A handler of outcomes, or a function for other events, has failed for fifteen minutes. An "
        "outcome is told again until it is taken; an event is given up after 24 hours.",
        "Mend the handler, or whom it calls; handler.failed says how it fails.",
        Unended(
            Lines("handler.failed"),
            ("handler.recovered", "handler.disabled", "daemon.started"),
            15 * M,
            by="handler",
        ),
        Measured(
            # Between two tries there may be 18 minutes.
            "increase(cv_listener_handler_failures_total[30m]) > 0 "
            "and min_over_time(cv_listener_handler_waiting[10m]) > 0 "
            "and cv_listener_handler_disabled == 0",
            5 * M,
        ),
        see="handler.failed",
    ),
    Alert(
        "HandlerDisabled", _PAGE,
        "A handler of outcomes, or a function for other events, is asked no more: it failed for "
        "days, or is gone.",
        "Mend what the error says and restart, or take it out of CV_OUTCOME_HANDLERS or "
        "CV_EVENT_HANDLERS.",
        Counted((Lines("handler.disabled"),), 1, H),
        Measured("cv_listener_handler_disabled == 1"),
        see="handler.disabled",
    ),
    Alert(
        "EventsLost", _TICKET,
        "Events that CV_EVENT_HANDLERS names were not kept, or given up: their function did not "
        "take them in 24 hours, 5,000 waited for it, or one was too large. No cv_updated is lost.",
        "Mend the function (handler.failed says how it fails), and ask the upstream's side for "
        "what the lost ones said, if it matters.",
        Counted((Lines("event.expired"), Lines("event.dropped")), 1, 15 * M),
        told("event.expired|event.dropped"),
        see="event.expired",
    ),
    # ------------------------------------------------------------------------------- its own health
    Alert(
        "JournalSlow", _TICKET,
        "A commit in a hundred has taken a quarter of a second or more, for twenty minutes.",
        "See what else uses the disk under CV_STATE_DIR; every acceptance waits for it.",
        Stays(_BEAT, "fsync_p99_ms", 250, 20 * M),
        Measured(
            "histogram_quantile(0.99, rate(cv_listener_journal_commit_seconds_bucket[5m])) > 0.25",
            15 * M,
        ),
        see=_BEAT,
    ),
    Alert(
        "LoopLags", _TICKET,
        "The event loop was held up for half a second or more between each two beats, for five "
        "minutes.",
        "See what of yours runs in it (handlers, functions that make credentials), and whether "
        "the machine is overloaded.",
        Stays(_BEAT, "loop_lag_ms", 500, 5 * M),
        Measured(
            "histogram_quantile(0.95, rate(cv_listener_loop_lag_seconds_bucket[5m])) > 0.5",
            5 * M,
        ),
        see=_BEAT,
    ),
    Alert(
        "LogDropped", _TICKET,
        "Lines of the log were dropped: nobody read them fast enough.",
        "See where the log goes: a full disk, a collector that stands still.",
        Counted((Lines("log.dropped"),), 1, 15 * M),
        Measured("increase(cv_listener_log_dropped_lines_total[15m]) > 0"),
        see="log.dropped",
    ),
    Alert(
        "RoomLow", _PAGE,
        "There is no room for files, or soon will be none: submissions are refused.",
        "Raise CV_SPOOL_QUOTA or make room under CV_STATE_DIR; it ends as submissions close.",
        Counted((Lines("spool.filled"), Lines("spool.failed")), 1, 15 * M),
        Measured(
            "cv_listener_spool_bytes / cv_listener_spool_quota_bytes > 0.8 "
            "or cv_listener_state_disk_free_bytes < 536870912"
        ),
        see="spool.filled",
    ),
    Alert(
        "ClockOff", _TICKET,
        "The machine's clock and Prometheus's are two minutes or more apart.",
        "See to time synchronisation, on both. Waits of the daemon are not measured by this clock, "
        "but what it says of times is, and tokens may be refused.",
        None,
        Measured(
            "cv_listener_last_frame_timestamp_seconds - time() > 120 or "
            "(time() - cv_listener_last_frame_timestamp_seconds > 300 "
            "and cv_listener_subscription_connected == 1)",
            M,
        ),
    ),
    Alert(
        "ProgramFault", _TICKET,
        "Something failed that is nobody's fault but the program's, or a handler's of yours.",
        "Read the line's trace. If it is none of your functions: please report it.",
        Counted(
            (
                Lines("loop.failed"),
                Lines("intake.request_failed"),
                Lines("upstream.adapter_failed"),
            ),
            1,
            15 * M,
        ),
        Measured(
            "sum without (event, level) (increase(cv_listener_log_events_total"
            '{event=~"loop.failed|intake.request_failed|upstream.adapter_failed"}[15m])) > 0'
        ),
        see="loop.failed",
    ),
)  # fmt: skip
"""In the order of the page."""
