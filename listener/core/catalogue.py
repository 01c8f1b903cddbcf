"""The log's catalogue, as data: every event there is, with its fields. Emitting anything else is a
mistake that tests do not let pass. ``docs/log-events.md`` is generated from here."""

from __future__ import annotations

from collections.abc import Mapping

from .event_spec import EventSpec, Level
from .reasons import ATTEMPT, CLOSE, GAP, LASTING, PROBLEM, SUBSCRIPTION, Words

CATALOGUE_VERSION = 1
"""Stands in every line as ``v``. Grows when an event or a field goes or changes its meaning."""


def runbook(event: str) -> str:
    """Where it is written what to do about an event of warning and above, from the root of the
    source."""
    return f"docs/runbook.md#{event.replace('.', '')}"


_OF_SUBMISSION = ("submission_id", "cv_ref")
_CANONICAL = (
    *("outcome", "attribution", "late", "submission_version", "attempts", "reason", "retry_of"),
    *("enhancement", "analysis", "evidence", "replayed"),
    *("created_at", "sent_at", "accepted_at", "heard_at", "closed_at"),
    *("queued_ms", "post_ms", "confirm_ms", "total_ms", "deaf_ms", "duplicates"),
    *("http_status", "upstream_status", "cv_id", "size", "kind"),
)

_D, _I, _W, _E, _C = Level.DEBUG, Level.INFO, Level.WARNING, Level.ERROR, Level.CRITICAL

_BY = {
    "outcome": {
        "presumed": _W,
        "unconfirmed": _E,
        "not_dispatched": _E,
        "rejected": _E,
        "undelivered": _E,
    },
    "result": {"not_sent": _W, "throttled": _W, "refused": _W, "possibly_sent": _W},
    "disposition": {"contradiction": _W, "malformed": _W},
    "verdict": {"first_deaf": _W, "second_failed": _W, "displaced": _W},
    "worst": {"presumed": _W, "unconfirmed": _W, "not_dispatched": _W},
}

_LOOK = (
    "Look at the submission (cv-listener show ID): its outcome, its evidence and its reason say "
    "what is known. Then ask the upstream's side, or submit it again."
)
_REPORT = "A fault of the program: please report it, with this line."


_ENDED: dict[str, Words] = {"reason": {**CLOSE, **LASTING}}
_DEAF: dict[str, Words] = {"reason": SUBSCRIPTION}


def _spec(
    name: str,
    level: Level,
    meaning: str,
    *fields: str,
    do: str = "",
    by: str = "",
    words: Mapping[str, Words] | None = None,
    alike: tuple[str, ...] = (),
) -> EventSpec:
    levels_by = (by, _BY[by]) if by else None
    return EventSpec(name, level, meaning, fields, do, levels_by, words or {}, limited_by=alike)


GROUPS: dict[str, tuple[EventSpec, ...]] = {
    "Submissions": (
        _spec("submission.accepted", _I, "Intake took it: from here on it cannot be lost.",
              *_OF_SUBMISSION, "size", "kind", "retry_of"),
        _spec("submission.joined", _I,
              "The same code and bytes came again while it was open, or later where nobody "
              "had its reply: whoever sent them gets the same reply, and nothing new was accepted.",
              *_OF_SUBMISSION, "state"),
        _spec("submission.retried", _I,
              "Accepted again by hand, as a submission of its own. movement: the record now, "
              "against the baseline of the first.",
              *_OF_SUBMISSION, "retry_of", "movement", "overruled"),
        _spec("submission.requeued", _W, "In doubt, settled and unmoved: it will be sent again.",
              *_OF_SUBMISSION, "attempts",
              do="Nothing for one. Many: the upstream, or a proxy before it, loses requests."),
        _spec("submission.contradicted", _E, "Refused, and yet an event was heard.",
              *_OF_SUBMISSION, "detail", do=_LOOK),
        _spec("submission.closed", _I,
              "The canonical line: one for each close, with all its timings and evidence.",
              *_OF_SUBMISSION, *_CANONICAL, "repeated", do=_LOOK, by="outcome", words=_ENDED),
        _spec("submission.corrected", _W,
              "A later truth replaced the outcome: the same id, a higher version.",
              *_OF_SUBMISSION, "outcome_before", *_CANONICAL,
              do="Whoever acted on the first outcome should act on this one. Many: raise "
              "CV_CONFIRM_TIMEOUT."),
        _spec("submission.reattributed", _W,
              "A further event came for it: which update each was for is not known.",
              *_OF_SUBMISSION, "attribution", "submission_version",
              do="See who else updates this CV."),
        _spec("submission.forgotten", _I,
              "All that was kept of one code, or what closed long ago, was deleted at a person's "
              "word. Which code it was, no line tells.", "submissions"),
        _spec("submission.cancel_requested", _I, "A cancel was taken; it takes effect when it can.",
              *_OF_SUBMISSION),
    ),
    "Attempts": (
        _spec("attempt.began", _I, "A POST begins; this was on disk before its first byte left.",
              *_OF_SUBMISSION, "attempt", "baseline_known", "contended"),
        _spec("attempt.ended", _I, "A POST ended; what is known of it decides what follows.",
              *_OF_SUBMISSION, "attempt", "result", "detail", "http_status", "state",
              "duration_ms", "retry_at", by="result", words={"detail": ATTEMPT},
              do="Nothing for one: it is tried again, enquired of, or closed. Many: see detail and "
              "http_status, and that the upstream serves."),
        _spec("attempt.declined", _W, "Not sent again: the record was not proven unmoved.",
              *_OF_SUBMISSION, "movement",
              do="Nothing: it is enquired of again, until CV_GIVE_UP_AFTER."),
        _spec("record.enquired", _D, "The record was read on behalf of a submission.",
              *_OF_SUBMISSION, "movement", "detail", "status", "enhance_status"),
        _spec("lane.rested", _D, "After an unresolved close nothing is sent to this code a while.",
              *_OF_SUBMISSION, "until"),
        _spec("lane.released", _D, "The rest is over.", *_OF_SUBMISSION, "movement"),
    ),
    "Hearing": (
        _spec("event.correlated", _D,
              "What became of one heard event, of a code that is or was of a submission here. Of "
              "all others event.unmatched tells.",
              *_OF_SUBMISSION, "seq", "disposition", "replayed", by="disposition",
              do="Look for submission.contradicted of the same submission."),
        _spec("event.denied", _W,
              "An event for a code of ours says of itself that nothing was updated: cv_updated is "
              "false (not_updated), or its status is error (status_error). It counts as others do: "
              "the upstream emits it after both jobs are dispatched, and says nothing of such "
              "words.", "cv_ref", "seq", "said", "suppressed", alike=("said",),
              do="Look at the submission of that cv_ref, and at its record; ask the upstream's "
              "side what such an event means."),
        _spec("event.unmatched", _I,
              "An event of a code that nothing here was ever of: somebody else's update. We hear, "
              "and it confirms nothing. Ten of them are told within a minute, and the next one "
              "says how many were not; at CV_LOG_LEVEL debug each is told. How many there were "
              "stands in daemon.heartbeat.",
              "cv_ref", "seq", "disposition", "replayed", "suppressed"),
        _spec("event.malformed", _W, "An event that cannot be read: counted, and harmless.",
              "seq", "problem", "count", words={"problem": PROBLEM},
              do="Many: see what the upstream sends (cv-listener tail --raw-shape), and that "
              "CV_SOCKET_EVENT is right."),
        _spec("event.never_heard", _C,
              "Updates were accepted or applied while we listened, and no event of any kind was "
              "heard since the start. Told at the third such update since the last that was "
              "confirmed, and again when they are twice as many.",
              "submissions", "listens_for",
              do="Probably the wrong event, namespace or room: hold listens_for against what "
              "cv-listener tail --raw-shape shows while an update is made, and check "
              "CV_SOCKET_EVENT, CV_SOCKET_NAMESPACE and, where events go to those alone who join a "
              "room, CV_SOCKET_ON_CONNECT. If it shows nothing, the upstream emits nothing to us: "
              "ask its side."),
        _spec("event.stored", _D, "An event that CV_EVENT_HANDLERS names was heard, and is on "
              "disk for this function.", "heard_event", "handler", "seq", "size", "replayed"),
        _spec("event.handled", _D, "The function took it; what it carried is deleted.",
              "heard_event", "handler", "seq", "size", "duration_ms"),
        _spec("event.dropped", _W, "An event that CV_EVENT_HANDLERS names was heard, and is not "
              "kept: it carries more than 64 KiB (too_large), or what is no JSON (not_json); 5,000 "
              "wait for its function (backlog_full); or more came at once than could be written "
              "(flood). For each name and reason the 1st, 2nd, 4th, 8th … are told.",
              "heard_event", "reason", "count", "handler", "size",
              do="backlog_full: mend the function; see handler.failed. flood: ask the upstream's "
              "side for fewer, or take the event out of CV_EVENT_HANDLERS. No cv_updated is lost "
              "by it."),
        _spec("event.expired", _E, "For 24 hours the function did not take them: deleted.",
              "heard_event", "handler", "count",
              do="See handler.failed of this function, and mend it. What they carried is gone: if "
              "it matters, ask the upstream's side."),
        _spec("event.unclaimed", _W, "Events wait for a function that CV_EVENT_HANDLERS does not "
              "name any more.", "handler", "waiting",
              do="Name it again, and it is told of them; or leave them: they are deleted 24 hours "
              "after they were heard."),
        _spec("subscription.established", _I, "We listen.",
              "transport", "recovery_offered", "recovered", "gap_reason", "since", "until",
              "duration_ms", "failures", "reason", "last_reason"),
        _spec("subscription.lost", _W, "We are deaf: an incident begins.",
              "reason", "error", "watched", words=_DEAF,
              do="Nothing, if subscription.restored follows. Otherwise see that the upstream "
              "serves."),
        _spec("subscription.restored", _W,
              "We listen again: the incident ends. What it touched is enquired of.",
              "transport", "recovered", "gap_reason", "since", "until", "duration_ms", "failures",
              "reason", "last_reason", "last_event_age_ms", "touched", words={"gap_reason": GAP},
              do="Nothing for one. Many: look at what stands between the upstream and here."),
        _spec("subscription.doubted", _W,
              "Records move, we are connected, and no event comes: a second connection is opened "
              "beside the first, to see whether that one is deaf; but not for long after one that "
              "displaced the first.", "last_event_age_ms",
              do="See subscription.compared. Many: see that CV_SOCKET_EVENT, CV_SOCKET_NAMESPACE "
              "and CV_SOCKET_ON_CONNECT subscribe to the events of these updates."),
        _spec("subscription.compared", _I,
              "The word on that doubt. first_hears: an event came, the connection is sound, and "
              "what was not heard was not emitted. first_deaf: only the second one heard an event, "
              "and takes the first one's place; subscription.lost and subscription.restored tell "
              "of the deafness, which reaches back to the last event heard. second_failed: no "
              "second one can be had yet. displaced: the server allows one session a client, and "
              "ended the first for the second; which of them hears cannot be known.",
              "verdict", "duration_ms", "submissions", by="verdict",
              do="first_deaf: what it touched is enquired of; tell the upstream's side that a "
              "connection lost its subscription without a word. second_failed: check that the "
              "upstream takes two connections of ours. displaced: ask the upstream's side whether "
              "it could take two; until then nothing here can tell a deaf subscription."),
        _spec("gap.settled", _I,
              "All that waited in a gap has closed: what it held up, and what became of that.",
              "gap_reason", "since", "until", "duration_ms", "touched", "became", "worst",
              "repeated", by="worst", words={"gap_reason": GAP},
              do="Nothing for one: what is not confirmed has a line of its own. Many: look at what "
              "stands between the upstream and here, and whether the upstream offers recovery."),
        _spec("subscription.failed", _W,
              "A try to connect failed; another follows. The 1st, 2nd, 4th, 8th … are told.",
              "reason", "error", "failures", "retry_in_s", words=_DEAF,
              do="If it does not stop: check CV_SOCKET_URL, and that the upstream serves."),
        _spec("subscription.refused", _C, "The server said no to our subscription.",
              "reason", "error", "failures", "retry_in_s", words=_DEAF,
              do="Check CV_SOCKET_AUTH, CV_SOCKET_HEADERS, CV_SOCKET_NAMESPACE and "
              "CV_SOCKET_PATH."),
    ),
    "The upstream": (
        _spec("upstream.held", _W, "The upstream asked for quiet: nothing is sent until then, and "
              "then one by one. Whatever it asks for more meanwhile has no line.",
              "until", "waiting", "restarted",
              do="Nothing for one. Many, or one that lasts: lower CV_MAX_IN_FLIGHT."),
        _spec("upstream.released", _I, "The upstream takes as much again as there is, after it had "
              "asked for quiet.",
              "duration_ms", "asked", "waiting"),
        _spec("upstream.circuit_opened", _W, "Failures in a row: sending pauses, then tries one.",
              "reason", do="See that the upstream serves.", words={"reason": LASTING}),
        _spec("upstream.circuit_closed", _I, "The upstream serves again.",
              "reason", "duration_ms", "failures"),
        _spec("upstream.readings_paused", _W,
              "Readings of the record failed in a row: all pause, then one is tried.",
              "reason", "enquiries_waiting",
              do="See that the upstream serves. What waits for a reading waits on."),
        _spec("upstream.readings_resumed", _I, "The record can be read again.",
              "enquiries_waiting", "duration_ms", "failures"),
        _spec("upstream.credentials_failed", _E,
              "The function that is named in CV_API_HEADERS made no headers: nothing was sent.",
              "error", "suppressed", alike=("error",),
              do="Mend the function in CV_API_HEADERS: error tells the kind of what it raised, "
              "and where. It is asked again at the next request."),
        _spec("upstream.adapter_failed", _E,
              "A request ended in an error of ours; its attempt counts as possibly sent.",
              "error_type", "error", "trace", "suppressed", alike=("error_type", "trace"),
              do=_REPORT),
    ),
    "The daemon": (
        _spec("daemon.started", _I, "The process started.",
              "python", "state_dir", "url", "settings"),
        _spec("daemon.ready", _I, "Recovered, and open for submissions.", "host", "port"),
        _spec("daemon.heartbeat", _I, "We live, and how well.",
              "open_by_state", "oldest_wait_ms", "connected", "last_frame_age_ms",
              "last_event_age_ms", "events_heard", "events_foreign", "deaf_ms", "deaf_total_ms",
              "in_flight", "paused_ms", "held_ms", "breaker", "breaker_readings",
              "enquiries_waiting", "fsync_p99_ms", "loop_lag_ms", "dropped_lines"),
        _spec("sending.paused", _W, "By command, perhaps an earlier run's: no attempt begins. "
              "Accepting and listening go on, and time does too: what is not sent within "
              "CV_DELIVER_WITHIN closes as undelivered.", "since", "in_flight", "restarted",
              do="cv-listener resume, once updates may be sent again."),
        _spec("sending.resumed", _I, "Attempts begin again.", "duration_ms", "waiting"),
        _spec("watch.opened", _I, "The folder CV_SPOOL_WATCH is watched.", "polled"),
        _spec("watch.failed", _E, "The folder CV_SPOOL_WATCH cannot be looked into, or is watched "
              "by another process (FolderHeld): it is tried again every few seconds.", "error_type",
              do="See that it is mounted, that this user can write it, and who else watches it."),
        _spec("watch.restored", _W, "The folder CV_SPOOL_WATCH is watched again.",
              "duration_ms", "failures", do="Nothing."),
        _spec("watch.file_refused", _W, "A file in CV_SPOOL_WATCH became no submission.", "reason",
              do="Look into its folder 'refused': beside the file lies why."),
        _spec("watch.file_failed", _E, "A file in CV_SPOOL_WATCH cannot be read or moved; it is "
              "tried again, and told of once.", "error_type",
              do="See that this user can read and write the files in it."),
        _spec("settings.reloaded", _I, "SIGHUP: what a running daemon can change was changed.",
              "changed", "needs_restart",
              do="What stands in needs_restart was changed, too, and waits for a restart."),
        _spec("settings.reload_failed", _E, "SIGHUP, and the settings do not hold: all stays as it "
              "was.", "error_type", "error", "trace",
              do="Mend what the error names, then send SIGHUP again."),
        _spec("daemon.drain_started", _I, "No further attempt begins; those under way may end.",
              "in_flight", "signal"),
        _spec("daemon.drain_cut_short", _W, "Attempts were still under way at the drain's end: the "
              "next start treats them as possibly sent.", "in_flight",
              do="Raise CV_DRAIN_TIMEOUT, and what ends the process later."),
        _spec("task.abandoned", _W, "The process ends without them: a task that swallows its "
              "cancellation, or a thread that blocks. They are a handler's of yours; what it had "
              "not done is tried again at the next start.", "left",
              do="Let the function end when it is cancelled (asyncio.CancelledError goes on), and "
              "give a time-out to what it calls in a thread."),
        _spec("daemon.stopped", _I, "The process ends, in order."),
        _spec("daemon.failed", _C, "The process ends because it cannot keep its promise.",
              "error_type", "error", "trace", do="Do what the error says, then start again."),
        _spec("journal.recovered", _I, "All state was taken up from the journal.",
              "lanes", "open", "events", "files_swept", "retold"),
        _spec("journal.restored", _W, "The journal was restored from a backup of that moment, and "
              "nothing is sent before a person resumes: what waited then may have been sent since. "
              "Told at each start until then.", "since",
              do="Look for attempt.began of each open submission (cv-listener list --open) in the "
              "logs since that moment: cancel those that were sent; then cv-listener resume."),
        _spec("spool.filled", _W, "There is no room for a file: submissions are refused with 507, "
              "and nothing accepted is touched.", "error_type", "error",
              do="Do what the error says. It ends by itself as submissions close."),
        _spec("spool.failed", _C, "The spool cannot take files: submissions are refused with 503.",
              "error_type", "error",
              do="Do what the error says. What is queued and whose file is gone closes as "
              "undelivered, reason file_lost."),
        _spec("spool.restored", _W, "The spool takes files again.", "duration_ms", "refused",
              do="Nothing. Who was refused was told so, and has to submit again."),
        _spec("spool.swept", _W, "Files that a crash had left were deleted or set aside.", "files",
              do="Nothing. See why the last run ended."),
        _spec("spool.orphaned", _W, "Whole files whose submissions the journal does not know are "
              "set aside in spool/orphaned.", "files",
              do="After a crash in the midst of an upload: nothing, nobody was told that it was "
              "accepted. After an older journal was put back: put the newer one back, and they are "
              "taken up, or submit them again. They are deleted after CV_KEEP_UNRESOLVED."),
        _spec("spool.orphans_deleted", _W, "Files set aside were deleted: their time was over.",
              "files", do="Nothing."),
        _spec("spool.delete_failed", _E, "A file that is no longer needed cannot be deleted; it is "
              "tried again.", "submission_id", "error_type", "error",
              do="See to the permissions under CV_STATE_DIR/spool."),
        _spec("retention.purged", _I, "Old closed submissions were deleted.", "submissions"),
        _spec("intake.opened", _I, "The HTTP API answers.", "host", "port"),
        _spec("intake.request_failed", _E, "A request ended in an error of ours.",
              "error_type", "error", "trace", "suppressed", alike=("error_type", "trace"),
              do=_REPORT),
        _spec("outcome.reported", _D, "Handlers have heard of this version of the outcome.",
              *_OF_SUBMISSION, "outcome", "attribution", "late", "submission_version"),
        _spec("handler.failed", _W,
              "A handler failed, and an incident begins: what it failed with is tried again, ever "
              "later. Of an incident the 1st, 2nd, 4th, 8th … failure is told.",
              "handler", "submission_id", "heard_event", "seq", "size", "tries", "failures",
              "retry_in_s", "error_type", "error",
              do="Nothing, if handler.recovered follows. Otherwise mend the handler, or whom it "
              "calls; no outcome is lost meanwhile. An event is given up after 24 hours."),
        _spec("handler.recovered", _W, "The handler serves again: the incident ends.",
              "handler", "failures", "duration_ms", do="Nothing for one. Many: see whom it calls."),
        _spec("handler.disabled", _C, "The handler has done nothing but fail for five days "
              "(failing), or whom it calls wants nothing more (gone). What it has not heard of "
              "waits. A failing one is tried again every twelve hours, and told each time; one "
              "that is gone, at the next start.",
              "handler", "reason", "failures", "duration_ms", "waiting", "error",
              do="Mend what the error says and restart; or take the handler out of "
              "CV_OUTCOME_HANDLERS or CV_EVENT_HANDLERS. Other handlers go on."),
        _spec("handler.unnamed", _W, "Outcomes wait for a handler that is not named any more.",
              "handler", "waiting",
              do="Name it in CV_OUTCOME_HANDLERS again, and they are told; or leave them: they go "
              "with their submissions, after CV_RETENTION_DAYS."),
    ),
    "What went wrong elsewhere": (
        _spec("loop.failed", _E, "Something failed where nobody was waiting for it.",
              "error_type", "error", "trace", "message", "suppressed", do=_REPORT),
        _spec("library.warned", _W, "A library has something to say.",
              "library", "message", "error_type", "error", "trace", "suppressed",
              do="Nothing, as long as all else goes well."),
        _spec("log.dropped", _W, "Lines were dropped because nobody read them fast enough.",
              "dropped", do="See where the log goes."),
    ),
}  # fmt: skip
"""Every event, as the papers group them."""

CATALOGUE: dict[str, EventSpec] = {spec.name: spec for specs in GROUPS.values() for spec in specs}
"""Every event, by name."""
