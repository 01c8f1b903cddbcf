"""The stable words that lines give as a reason, each in full: what it means, and what to do.

``docs/log-events.md`` has them all. Where a word says what to do, that is the line's ``hint``, and
not what its event says of every reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """``what_to_do`` empty: as the event says."""

    meaning: str
    what_to_do: str = ""


Words = Mapping[str, Reason]

_SERVES = "See that the upstream serves, and what stands between it and here."
_RECOVERY = "connection state recovery (its maxDisconnectionDuration)"

SUBSCRIPTION: Words = {
    "unreachable": Reason(
        "Nobody answers at that address and port.",
        "See that the upstream serves; check CV_SOCKET_URL, and CV_API_PROXY if it is set."),
    "dns_failed": Reason(
        "The host's name cannot be resolved.", "Check CV_SOCKET_URL, and this machine's DNS."),
    "tls_failed": Reason(
        "TLS could not be agreed on, or the certificate is not trusted.",
        "Check that CV_SOCKET_URL is to be https, and CV_TLS_CA_FILE; see when the server's "
        "certificate expires."),
    "proxy_failed": Reason(
        "The proxy did not let us through.", "Check CV_API_PROXY, and its credentials."),
    "connect_timeout": Reason(
        "There was a connection, and no complete handshake in time.",
        "Check that CV_SOCKET_PATH and CV_SOCKET_NAMESPACE are right, and that what stands between "
        "passes websockets on; an overloaded server looks like that, too."),
    "bad_handshake": Reason(
        "What answered is no Socket.IO server, or breaks off: its answer cannot be read.",
        "Check CV_SOCKET_URL and CV_SOCKET_PATH: does a web page, or a proxy's, answer there?"),
    "server_2x": Reason(
        "The server speaks Socket.IO 2.x, and we the protocol of 3 and newer: it would drop us at "
        "its first ping.",
        "No setting helps: ask for a Socket.IO server of version 3 or newer, or for CV_SOCKET_URL "
        "and CV_SOCKET_PATH of one."),
    "refused": Reason(
        "The server does not let us in; error has its words, as far as they name nobody.",
        "Check CV_SOCKET_AUTH: is the token right, and still good? A function can be named there, "
        "which makes a new one for each connection."),
    "invalid_namespace": Reason(
        "The server has no such namespace.", "Check CV_SOCKET_NAMESPACE."),
    "no_credentials": Reason(
        "Auth, headers or query could not be made; error says which, and why.",
        "Mend the function that is named in CV_SOCKET_AUTH, CV_SOCKET_HEADERS or CV_SOCKET_QUERY: "
        "it raised, took longer than 10 s, or made what cannot be sent. It is asked again."),
    "subscribe_refused": Reason(
        "An emit of CV_SOCKET_ON_CONNECT was answered with a refusal; error names it.",
        "Check its name and arguments in CV_SOCKET_ON_CONNECT, and what we may subscribe to."),
    "subscribe_failed": Reason(
        "An emit of CV_SOCKET_ON_CONNECT could not be sent; error names it.",
        "Nothing for one: the connection is made anew. Many: report it, with this line."),
    "subscribe_timeout": Reason(
        "An emit of CV_SOCKET_ON_CONNECT was not acknowledged in time; error names it.",
        "Check its name in CV_SOCKET_ON_CONNECT. Where the server never acknowledges it, give it "
        '"ack_timeout": null.'),
    "redirected": Reason(
        "The server wants us elsewhere. Redirects are not followed: our credentials are for one "
        "host.",
        "Set CV_SOCKET_URL and CV_SOCKET_PATH to where the server really is."),
    "http_400": Reason(
        "The handshake was refused: the transport, the version, or a session that another instance "
        "has.",
        "Check CV_SOCKET_TRANSPORTS and CV_SOCKET_PATH. Polling needs an upstream that sends us to "
        "the same instance each time."),
    "http_401": Reason(
        "The handshake was refused for want of authentication.",
        "Check CV_SOCKET_HEADERS, CV_SOCKET_QUERY and CV_SOCKET_AUTH: right, and still good?"),
    "http_403": Reason(
        "The handshake was refused: we may not.",
        "Check CV_SOCKET_HEADERS, CV_SOCKET_QUERY and CV_SOCKET_AUTH, and who may connect from "
        "here."),
    "http_404": Reason(
        "There is no Socket.IO server at that path.", "Check CV_SOCKET_PATH and CV_SOCKET_URL."),
    "http_407": Reason("The proxy wants credentials.", "Check CV_API_PROXY, and its credentials."),
    "http_408": Reason("The server, or a proxy before it, waited too long for us.", _SERVES),
    "http_429": Reason(
        "The server has had too many connections from here.",
        "See who else connects from here; it is tried again, ever more slowly."),
    "http_4xx": Reason(
        "The handshake was refused; error has the server's words, as far as they name nobody.",
        "Check CV_SOCKET_URL, CV_SOCKET_PATH, CV_SOCKET_HEADERS and CV_SOCKET_QUERY."),
    "http_5xx": Reason("The server, or a proxy before it, fails.", _SERVES),
    "http_xxx": Reason("An answer to the handshake that is none.", "Check CV_SOCKET_URL."),
    "server_disconnect": Reason(
        "The server disconnected us by name, or shut down in good order. For one that it "
        "disconnects by name it keeps no session: nothing can be replayed.",
        "Nothing for one. Many: ask the upstream's side why; a second client with the same "
        "identity, or a token that expires, looks like that."),
    "transport_closed": Reason(
        "The connection broke; error has the websocket's close code, where there was one.",
        "Nothing for one. Many: see how often the upstream restarts, and whether what stands "
        "between ends connections that are idle or old."),
    "silent": Reason(
        "No frame came, not even a ping, for longer than the server promised: a line that is dead "
        "at one end, or a server that hangs.",
        "Nothing for one. Many: see what stands between, and whether the upstream's process "
        "hangs."),
    "message_too_big": Reason(
        "A message, or a polling response, was over 16 MiB.",
        "Ask the upstream's side what it sends. If it is what a reconnect replays, it is given up "
        "after three times, and the gap is told."),
    "protocol_error": Reason(
        "What came cannot be read as websocket or Socket.IO.",
        "See what stands between; many: report it, with this line."),
    "library_failed": Reason(
        "The Socket.IO library failed on what came.",
        "Nothing for one: the connection is made anew. Many: report it, with this line."),
    "overflow": Reason(
        "Events came faster than they could be stored, and the connection was dropped before one "
        "was lost.",
        "See fsync_p99_ms in daemon.heartbeat: is the journal's disk slow?"),
    "deaf_subscription": Reason(
        "The connection stood, and heard nothing: a second one beside it heard an event, and has "
        "taken its place.",
        "Nothing for one: see subscription.compared. Many: ask the upstream's side why connections "
        "lose their subscription."),
    "displaced": Reason(
        "The server allows one session a client: it ended ours for a second one, which was to tell "
        "whether the first is deaf. That has taken its place, and no other is opened for an hour; "
        "after each further time for twice as long.",
        "Nothing; but cv-listener doctor, submit --once and other daemons with the same identity "
        "end our session, too. Give each credentials of its own, or ask the upstream's side to "
        "allow several."),
    "stopped": Reason("We stopped listening ourselves."),
}  # fmt: skip
"""Why there is no subscription."""

GAP: Words = {
    "started": Reason(
        "The daemon was not running, or had no session of the server to go on from.",
        "Nothing after a start."),
    "not_recovered": Reason(
        "The server has forgotten our session. It does not say why: it restarted; or we were away "
        "for longer than it remembers; or the last event is older than it remembers; or another "
        "instance answered, which does not know of our sessions.",
        "See reason, last_reason and failures: after server_disconnect no session is kept; with "
        "failures, last_reason unreachable or http_5xx, the server was down. Otherwise hold "
        f"duration_ms and last_event_age_ms against the server's {_RECOVERY}: beyond it, it should "
        "remember for longer; within it, its instances should share their sessions."),
    "no_offset": Reason(
        "Nothing was heard in this session yet, so that there was nothing to go on from."),
    "adapter_without_recovery": Reason(
        "The server has recovery on, and its events come without the offset to go on from: its "
        "adapter keeps no sessions, or the event is emitted as volatile.",
        "Ask the upstream's side for an adapter that supports connection state recovery, and for "
        "events that are not volatile."),
    "no_recovery_offered": Reason(
        "The server has no connection state recovery: whatever it emits while we are away is "
        "lost.",
        f"Ask the upstream's side to turn on {_RECOVERY}."),
    "polling": Reason(
        "Over polling nothing can be recovered.",
        "Put websocket first in CV_SOCKET_TRANSPORTS, and see that what stands between passes it "
        "on."),
    "overflow": Reason(
        "An event was not taken for want of room, and was not replayed.",
        "See fsync_p99_ms in daemon.heartbeat: is the journal's disk slow?"),
    "poison": Reason(
        "What the server would have replayed ended the connection time and again, and was given "
        "up: too big, unreadable, or never whole.",
        "See the subscription.failed lines before: their reason says how it ended."),
    "deaf_subscription": Reason(
        "We were connected and heard nothing, as a second connection has proven: since the last "
        "event heard, nobody knows what was missed.",
        "Nothing for one. Many: ask the upstream's side why connections lose their "
        "subscription."),
}  # fmt: skip
"""Why nothing proves that nothing was missed."""

_NO_EVENT = (
    "Many, and none that is confirmed: check CV_SOCKET_EVENT, CV_SOCKET_NAMESPACE and "
    "CV_SOCKET_ON_CONNECT. One: ask the upstream's side whether its jobs ran."
)
_ASK = "Ask the upstream's side, or read the record, and submit it again if it was not applied."

CLOSE: Words = {
    "newer_update": Reason("A newer update of the CV replaced it (CV_LANE_POLICY coalesce)."),
    "cancelled": Reason(
        "It was cancelled. Where an attempt was possibly sent before, that only ended the "
        "watching.",
        "Nothing: whoever cancelled it asked for that. It may have been applied where attempts is "
        "not 0."),
    "never_sent": Reason(
        "CV_DELIVER_WITHIN is over, and no attempt began: another update of the CV, or the "
        "subscription, or the upstream's quiet, was waited for.",
        "See what was waited for (daemon.heartbeat, upstream.held), then submit it again."),
    "late_event": Reason(
        "Its event was heard after it had been closed as something else.",
        "Nothing for one: act on this outcome. Many: raise CV_CONFIRM_TIMEOUT."),
    "record_moved_while_deaf": Reason(
        "We were deaf when its event may have come; the record moved as an applied update moves "
        "it.",
        "Nothing, if the evidence will do. To be sure, ask the upstream's side."),
    "record_unmoved": Reason(
        "It was accepted, we listened all the time, and the record has not moved.",
        "The upstream took it and did nothing: ask its side, then submit it again."),
    "listened_record_moved": Reason(
        "We listened all the time and heard nothing, though the record moved: it was applied, and "
        "its event was not emitted, or not to us.", _NO_EVENT),
    "listened_record_unmoved": Reason(
        "We listened all the time and heard nothing, and the record has not moved.", _ASK),
    "listened_no_baseline": Reason(
        "We listened all the time and heard nothing; there is no earlier reading of the record to "
        "hold it against.", _NO_EVENT),
    "listened_record_unknown": Reason(
        "We listened all the time and heard nothing; the record could not be read.", _ASK),
    "deaf_record_moved": Reason(
        "We were deaf when its event may have come; the record moved.", _ASK),
    "deaf_record_unmoved": Reason(
        "We were deaf when its event may have come, and the record has not moved.", _ASK),
    "deaf_no_baseline": Reason(
        "We were deaf when its event may have come; there is no earlier reading of the record to "
        "hold it against.", _ASK),
    "deaf_record_unknown": Reason(
        "We were deaf when its event may have come; the record could not be read.", _ASK),
    "refused_but_heard": Reason(
        "The upstream refused it, and an event was heard all the same.", _ASK),
}  # fmt: skip
"""Why a submission ended as it did, beside the words of an attempt's end."""

_OUR_HEADERS = "Check CV_API_HEADERS: right, and still good?"
_FILE = "Look at the file: the upstream does not take it. Submitting it again changes nothing."
_WAIT = "Nothing for one: it is sent again, or enquired of. Many: see that the upstream serves."

ATTEMPT: Words = {
    "accepted": Reason("The upstream took it."),
    "throttled": Reason(
        "The upstream asks for quiet (429).", "Nothing for one. Many: lower CV_MAX_IN_FLIGHT."),
    "not_applied_status": Reason("One of CV_NOT_APPLIED_STATUSES: not applied, unless heard of."),
    "redirected": Reason(
        "The upstream wants us elsewhere. Redirects are not followed.",
        "Set CV_API_BASE_URL to where the API really is."),
    "upstream_timed_out": Reason("The upstream waited too long for the request (408).", _WAIT),
    "bad_request": Reason("The upstream cannot make sense of it (400).", _FILE),
    "unauthorized": Reason("Authentication is missing (401).", _OUR_HEADERS),
    "forbidden": Reason("We may not (403).", _OUR_HEADERS),
    "not_found": Reason(
        "The upstream does not know the code (404).",
        "See that the code is right, and that CV_API_BASE_URL is."),
    "method_not_allowed": Reason(
        "There is no such API at that URL (405).", "Check CV_API_BASE_URL."),
    "proxy_auth_required": Reason(
        "The proxy wants credentials (407).", "Check CV_API_PROXY, and its credentials."),
    "file_too_large": Reason("The file is too large for the upstream (413).", _FILE),
    "file_type_refused": Reason("The upstream does not take such files (415).", _FILE),
    "unprocessable": Reason("The upstream finds the file or the form wrong (422).", _FILE),
    "status_error": Reason(
        "The upstream says status: error in a reply of 2xx.", "Ask the upstream's side why."),
    "unreadable_reply": Reason(
        "A reply of 2xx that cannot be read: it is never sent again.",
        "Nothing for one: it is enquired of. Many: ask what the upstream sends."),
    "other_record": Reason(
        "The reply tells of another cv_code: it answers another request, and nothing of it is "
        "believed. An update so answered is never sent again.",
        "Ask the upstream's side, and whoever runs a proxy or a cache before it, how replies come "
        "to be mixed up: people may be shown the CVs of others."),
    "unreadable_age": Reason(
        "A cache answered instead of the upstream, and its Age is no number of seconds: how old "
        "the record is, nobody knows.",
        "Keep caches away from the API, or have them heed Cache-Control: no-cache."),
    "http_4xx": Reason("Another refusal by the upstream.", "Ask the upstream's side why."),
    "http_5xx": Reason("The upstream, or a proxy before it, fails.", _WAIT),
    "http_xxx": Reason(
        "A status that an API should not give.",
        "Nothing for one: it is enquired of. Many: check CV_API_BASE_URL."),
    "headers_failed": Reason(
        "The function that is named in CV_API_HEADERS failed: nothing was sent.",
        "Mend the function. It is asked again."),
    "file_lost": Reason(
        "The file is gone from the spool, or is not what was taken in: nothing can be sent.",
        "Submit it again; see who touches CV_STATE_DIR/spool."),
    "file_unreadable": Reason(
        "The file could not be read just now: nothing was sent.",
        "See to the disk and the permissions under CV_STATE_DIR/spool."),
    "upload_broken": Reason("The file could not be read to its end."),
    "crashed_while_sending": Reason(
        "The process ended during the attempt: it may have been applied, and is enquired of."),
    "host_unknown": Reason(
        "The host's name cannot be resolved.", "Check CV_API_BASE_URL, and this machine's DNS."),
    "connect_refused": Reason("Nobody listens at that address and port.", _SERVES),
    "connect_failed": Reason("No connection could be made.", _SERVES),
    "connect_timeout": Reason("No connection was made in time.", _SERVES),
    "tls_failed": Reason(
        "TLS could not be agreed on, or the certificate is not trusted.",
        "Check CV_API_BASE_URL and CV_TLS_CA_FILE; see when the certificate expires."),
    "proxy_failed": Reason(
        "The proxy did not let us through.", "Check CV_API_PROXY, and its credentials."),
    "pool_timeout": Reason(
        "No connection came free in time: nothing was sent.",
        "See that the upstream answers; lower CV_MAX_IN_FLIGHT."),
    "transport_closed": Reason("We were stopping: nothing was sent.", "Nothing."),
    "transport_failed": Reason("The request failed in a way that has no name yet.", _WAIT),
    "request_unsendable": Reason(
        "The request cannot be put into HTTP: nothing was sent.", "Check CV_API_HEADERS."),
    "disconnected": Reason("The connection was closed in good order, without a reply.", _WAIT),
    "connection_reset": Reason("The connection broke while the reply was awaited.", _WAIT),
    "write_failed": Reason("The connection broke while the file was sent.", _WAIT),
    "write_timeout": Reason("The file could not be handed over in time.", _WAIT),
    "read_timeout": Reason(
        "No reply came in time.",
        "Nothing for one: it is enquired of. Many: raise CV_API_UPLOAD_TIMEOUT, or see why the "
        "upstream is slow."),
    "total_timeout": Reason(
        "The request took too long altogether: a reading, twice CV_API_TIMEOUT; an update, twice "
        "that and twice CV_API_UPLOAD_TIMEOUT, and a second for each 8 KiB of the file.",
        "Nothing for one: what was not sent is sent again, and what may have been is enquired of. "
        "Many: see why the line or the upstream is slow, or raise CV_API_UPLOAD_TIMEOUT."),
    "reply_garbled": Reason("The reply is not HTTP, or broke off.", _WAIT),
    "reply_too_large": Reason("The reply is longer than 1 MiB.", _WAIT),
    "internal_error": Reason(
        "An error of ours: upstream.adapter_failed tells which.",
        "A fault of the program: please report it, with that line."),
}  # fmt: skip
"""How an attempt ended, or the reading of a record."""

_SHAPE = "cv-listener tail --raw-shape shows what comes; see that CV_SOCKET_EVENT is right."

PROBLEM: Words = {
    "no_body": Reason("The event has no argument.", _SHAPE),
    "not_an_object": Reason("Its first argument is no JSON object.", _SHAPE),
    "no_code": Reason("It has no cv_code, neither in the object nor in its data.", _SHAPE),
    "code_not_text": Reason("Its cv_code is no text, nor a whole number.", _SHAPE),
    "two_codes": Reason("It has two different codes.", _SHAPE),
    "bad_code": Reason("Its cv_code is one that no update can have.", _SHAPE),
    "bad_packet": Reason("It cannot be read as a Socket.IO packet.", _SHAPE),
    "reading_failed": Reason(
        "Our own reading of events raised an error; loop.failed tells which.",
        "A fault of the program, or of a handler of yours: see handlers/cv_updated.py."),
}  # fmt: skip
"""Why an event cannot be read."""

DISPOSITION: Words = {
    "confirmed": Reason("It confirms the submission."),
    "held": Reason("It came during the sending, whose end decides; then it is counted again."),
    "candidate": Reason("It may be another update's of the same CV: the record is read."),
    "duplicate": Reason("One more for a submission that is confirmed already."),
    "foreign": Reason("Of no update of ours within CV_LATE_WINDOW: it confirms nothing."),
    "contradiction": Reason("For a submission that the upstream had refused."),
    "corrected": Reason("It came after the close, and makes the outcome confirmed."),
    "malformed": Reason("It cannot be read: event.malformed says why."),
}  # fmt: skip
"""What becomes of a heard event."""

LASTING: Words = {
    word: reason for word, reason in ATTEMPT.items() if not reason.what_to_do.startswith("Nothing")
}
"""Those of an attempt that a person can do something about, even where no other follows."""

GROUPS: dict[str, tuple[str, Words]] = {
    "Why there is no subscription": ("`reason`, `last_reason` of `subscription.…`", SUBSCRIPTION),
    "Why something may have been missed": ("`gap_reason`", GAP),
    "Why a submission ended so": (
        "`reason` of `submission.…`; or the `detail` of its last attempt",
        CLOSE,
    ),
    "How an attempt or a reading ended": ("`detail`; `reason` of `upstream.circuit_…`", ATTEMPT),
    "What is wrong with an event": ("`problem`", PROBLEM),
    "What became of an event": ("`disposition`", DISPOSITION),
}
"""As the papers group them: where each word stands, and the words."""

_STATUS = re.compile(r"http_(\d)\d\d")


OTHER = "other"
"""Stands for a word that is not ours, where all there can be must be known before."""


def find(words: Words, word: object) -> Reason | None:
    """What a word stands for. An HTTP status without words of its own stands for its hundred."""
    return words.get(known(words, word))


def known(words: Words, word: object) -> str:
    """The word itself; of an HTTP status without words of its own, that of its hundred."""
    if not isinstance(word, str):
        return OTHER
    status = _STATUS.fullmatch(word)
    if word in words or status is None:
        return word if word in words else OTHER
    hundred = f"http_{status[1]}xx"
    if hundred in words:
        return hundred
    return "http_xxx" if "http_xxx" in words else OTHER
