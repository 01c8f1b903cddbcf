"""What the upstream's replies say (DESIGN.md section 3, rules 5 and 6). Any bytes may come."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

from listener.core.evidence import PostResult, Reading, UpstreamReply
from listener.core.names import CvCode, Millis, PostKind

from .echoes import names_another, repeats

_STATUS = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What is shown of a reply, to whoever may read: all else is taken as missing."""
_LONGEST_AGE_S = 2**31
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
    code: CvCode,
    now_ms: Millis,
    retry_after_cap_ms: int,
    not_applied_statuses: Collection[int] = (),
) -> PostResult:
    """What one reply to a POST means. ``headers`` has lower case keys.

    ``not_applied_statuses``: what a proxy in front is known to answer without passing anything on;
    a 2xx among them is not believed. ``body`` matters for a 2xx alone. Never raises.

    A 2xx that tells of another ``cv_code`` than ``code`` answers another request: of ours it says
    nothing (``other_record``), whatever else it says.

    A redirect is not followed. 307 and 308 say that the same request is to be made elsewhere, so it
    was not applied here; the others may stand for "done, look there", which is possibly sent.
    """
    if 200 <= http_status < 300:
        return _read_success(http_status, body, code)
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


def _read_success(http_status: int, body: bytes, code: CvCode) -> PostResult:
    reply = read_object(body)
    if reply is not None and tells_of_another(reply, code):
        return PostResult(PostKind.POSSIBLY_SENT, "other_record", http_status, resendable=False)
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
            cv_id=_identifier(fields.get("cv_id"), code),
            application_id=_identifier(fields.get("application_id"), code),
            status=_status(fields.get("status"), code),
        ),
    )


def read_record(
    http_status: int, headers: Mapping[str, str], body: bytes, read_ms: Millis, *, code: CvCode
) -> Reading:
    """What one reply to a GET says of the record. ``headers`` has lower case keys. Never raises.

    Anything but a 200 with ``{"status":"success","data":{…}}`` is unknown, never "unmoved", and so
    is a record of another ``cv_code``. A field that is missing, or not text, is None. Of
    ``cv_path`` a digest is kept, of ``cv_data`` nothing.

    ``read_ms`` is when the GET began. What a cache answers is so much older (RFC 9111 5.1), and is
    unknown where its age cannot be read: an old record is no sign that an update was not applied.
    """

    def unknown(detail: str) -> Reading:
        return Reading(read_ms=read_ms, known=False, detail=detail)

    if http_status != 200:
        named = {404: "not_found", 429: "throttled"}
        return unknown(detail=named.get(http_status, f"http_{http_status}"))
    age_ms = _age_ms(headers)
    if age_ms is None:
        return unknown(detail="unreadable_age")
    reply = read_object(body)
    if reply is not None and tells_of_another(reply, code):
        return unknown(detail="other_record")
    if reply is not None and says_error(reply):
        return unknown(detail="status_error")
    record = reply.get("data") if reply is not None and reply.get("status") == "success" else None
    if not isinstance(record, dict):
        return unknown(detail="unreadable_reply")
    return Reading(
        read_ms=Millis(read_ms - age_ms),
        known=True,
        path_digest=_digest(record.get("cv_path")),
        status=_status(record.get("status"), code),
        enhance_status=_status(record.get("cv_enhance_status"), code),
    )


def tells_of_another(reply: Mapping[str, object], code: CvCode) -> bool:
    """Whether it is the reply to a request for somebody else's record."""
    data = reply.get("data")
    return isinstance(data, dict) and names_another(data.get("cv_code"), code)


def _age_ms(headers: Mapping[str, str]) -> int | None:
    """How long a cache has had the reply. None: that it did is said, but not how long. Of several
    ages the greatest counts."""
    ages = [age.strip() for age in headers.get("age", "0").split(",")]
    if not all(age.isascii() and age.isdigit() for age in ages):
        return None
    return 1000 * max(min(int(age[:12]), _LONGEST_AGE_S) for age in ages)


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


def _status(value: object, code: CvCode) -> str | None:
    return _shown(value, _STATUS, code)


def _identifier(value: object, code: CvCode) -> int | str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return None if repeats(str(value), code) else value
    return _shown(value, _IDENTIFIER, code)


def _shown(value: object, form: re.Pattern[str], code: CvCode) -> str | None:
    if not isinstance(value, str) or not form.fullmatch(value):
        return None
    return None if repeats(value, code) else value


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
