"""What the upstream's replies say (DESIGN.md section 3, rules 5 and 6). Any bytes may come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

from listener.core.evidence import PostResult, Reading, UpstreamReply
from listener.core.names import Millis, PostKind

MAX_WORD_CHARACTERS = 64
"""Of a status or an id given as text; a longer one is taken as missing."""
_ERROR_WORDS = frozenset({"error", "fail", "failed", "failure"})
_ACCEPTING = (200, 201, 202)
_REFUSALS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    407: "proxy_auth_required",
    413: "file_too_large",
    415: "file_type_refused",
    422: "unprocessable",
}


def read_post(
    http_status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_ms: Millis,
    retry_after_cap_ms: int,
    not_applied_statuses: Collection[int] = (),
) -> PostResult:
    """What one reply to a POST means. ``headers`` has lower case keys.

    ``not_applied_statuses``: what a proxy in front is known to answer without passing anything on;
    a 2xx among them is not believed. ``body`` matters for a 2xx alone. Never raises.

    A redirect is not followed. 307 and 308 say that the same request is to be made elsewhere, so it
    was not applied here; the others may stand for "done, look there", which is possibly sent.
    """
    if 200 <= http_status < 300:
        return _read_success(http_status, body)
    wait = retry_after_ms(headers, now_ms, retry_after_cap_ms)
    if http_status == 429:
        return PostResult(PostKind.THROTTLED, "throttled", http_status, wait)
    if http_status in not_applied_statuses:
        return PostResult(PostKind.NOT_SENT, "not_applied_status", http_status, wait)
    if http_status in (307, 308):
        return PostResult(PostKind.REFUSED, "redirected", http_status)
    if http_status == 408:
        return PostResult(PostKind.POSSIBLY_SENT, "upstream_timed_out", http_status)
    if 400 <= http_status < 500:
        detail = _REFUSALS.get(http_status, f"http_{http_status}")
        return PostResult(PostKind.REFUSED, detail, http_status)
    if 300 <= http_status < 400:
        return PostResult(PostKind.POSSIBLY_SENT, "redirected", http_status)
    return PostResult(
        PostKind.POSSIBLY_SENT,
        f"http_{http_status}",
        http_status,
        wait if http_status == 503 else None,
    )


def _read_success(http_status: int, body: bytes) -> PostResult:
    reply = read_object(body)
    if reply is not None and says_error(reply):
        return PostResult(PostKind.REFUSED, "status_error", http_status)
    if reply is None or reply.get("status") != "success" or http_status not in _ACCEPTING:
        return PostResult(PostKind.POSSIBLY_SENT, "unreadable_reply", http_status, resendable=False)
    data = reply.get("data")
    fields: dict[str, object] = data if isinstance(data, dict) else {}
    return PostResult(
        PostKind.ACCEPTED,
        "accepted",
        http_status,
        reply=UpstreamReply(
            cv_id=_identifier(fields.get("cv_id")),
            application_id=_identifier(fields.get("application_id")),
            status=_word(fields.get("status")),
        ),
    )


def read_record(http_status: int, body: bytes, read_ms: Millis) -> Reading:
    """What one reply to a GET says of the record. Never raises.

    Anything but a 200 with ``{"status":"success","data":{…}}`` is unknown, never "unmoved".
    A field that is missing, or not text, is None. Of ``cv_path`` a digest is kept, of ``cv_data``
    nothing.
    """
    if http_status != 200:
        named = {404: "not_found", 429: "throttled"}
        detail = named.get(http_status, f"http_{http_status}")
        return Reading(read_ms=read_ms, known=False, detail=detail)
    reply = read_object(body)
    if reply is not None and says_error(reply):
        return Reading(read_ms=read_ms, known=False, detail="status_error")
    record = reply.get("data") if reply is not None and reply.get("status") == "success" else None
    if not isinstance(record, dict):
        return Reading(read_ms=read_ms, known=False, detail="unreadable_reply")
    return Reading(
        read_ms=read_ms,
        known=True,
        path_digest=_digest(record.get("cv_path")),
        status=_word(record.get("status")),
        enhance_status=_word(record.get("cv_enhance_status")),
    )


def read_object(body: bytes) -> dict[str, object] | None:
    """The JSON object that ``body`` is, or None: no JSON, no object, or too hostile to read."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def says_error(reply: Mapping[str, object]) -> bool:
    """Whether a reply calls itself an error, whatever its HTTP status."""
    status = reply.get("status")
    return isinstance(status, str) and status.lower() in _ERROR_WORDS


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected JSON, found {name}, which is none")


def _digest(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _word(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_WORD_CHARACTERS:
        return None
    return value if value.isprintable() else None


def _identifier(value: object) -> int | str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    return _word(value)


def retry_after_ms(headers: Mapping[str, str], now_ms: Millis, cap_ms: int) -> int | None:
    """RFC 9110 10.2.3: seconds, or a date, held against the reply's own clock where it tells it.
    ``headers`` by names in small letters. None: it asks for nothing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:12]) * 1000, cap_ms)
    until_ms = _http_date_ms(value)
    if until_ms is None:
        return None
    from_ms = _http_date_ms(headers.get("date", ""))
    return min(max(0, until_ms - (now_ms if from_ms is None else from_ms)), cap_ms)


def _http_date_ms(value: str) -> int | None:
    try:
        parsed = parsedate_to_datetime(value)
        aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
        return int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
