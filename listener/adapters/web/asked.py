"""What a request asks for, read from its path, query and headers."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from listener.core.names import Outcome, State, SubmissionId
from listener.ports.front import Filter

from .problems import Refused

Word = TypeVar("Word", bound=StrEnum)

WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
PAGE = 500
"""The longest page of a listing."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WAIT = re.compile(r"""(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:[,;]|$)""", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def submission_id(request: web.Request) -> SubmissionId:
    text = request.match_info["id"].lower()
    if not _ID.fullmatch(text):
        raise Refused("not_found", "expected the id of a submission, found another form")
    return SubmissionId(text)


def wait_s(request: web.Request) -> int | None:
    """Seconds; None where no waiting is preferred. Preferences not understood are ignored."""
    found = _WAIT.search(", ".join(request.headers.getall("Prefer", [])))
    return None if found is None else min(int(found[1]), WAIT_S)


def idempotency_key(request: web.Request) -> str | None:
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Refused(
            "invalid_header",
            "expected one Idempotency-Key of 1 to 255 visible ASCII characters, found another",
        )
    return keys[0]


def listing_filter(request: web.Request) -> Filter:
    query = request.query
    if "cv_code" in query:
        raise Refused(
            "invalid_query",
            "a cv_code is a secret and never stands in a URL; filter by id or state",
        )
    allowed = ("state", "outcome", "limit", "cursor")
    if any(name not in allowed for name in query) or len(set(query)) < len(query):
        raise Refused("invalid_query", f"expected, once each at most: {', '.join(allowed)}")
    cursor = query.get("cursor")
    if cursor is not None and not _ID.fullmatch(cursor):
        raise Refused("invalid_query", "expected cursor as an earlier answer gave it")
    limit = query.get("limit", "50")
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= PAGE:
        raise Refused("invalid_query", f"expected limit from 1 to {PAGE}")
    return Filter(
        state=_word(State, query.get("state"), "state"),
        outcome=_word(Outcome, query.get("outcome"), "outcome"),
        before=None if cursor is None else SubmissionId(cursor),
        limit=int(limit),
    )


def _word(kind: type[Word], text: str | None, name: str) -> Word | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(word.value for word in kind)
        raise Refused("invalid_query", f"expected {name} as one of {words}") from None
