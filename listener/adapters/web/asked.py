"""What a request asks for, read from its path, query and headers."""

from __future__ import annotations

import re

from aiohttp import web

from listener.core.names import Attribution, Outcome, State, SubmissionId
from listener.ports.front import Filter

from .parameters import FLAG, MOMENT, Parameter, number, read_query, text, word
from .preferences import read_preferences
from .problems import Refused

WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
PAGE = 500
"""The longest page of a listing."""

_HEX_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
AN_ID = text(_HEX_ID, "the id of a submission")
A_NUMBER = text(r"[0-9]{1,18}", "a number that an earlier answer gave")
A_REF = text(r"cv_[0-9a-f]{12}", "cv_ and 12 hexadecimal digits")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def submission_id(request: web.Request) -> SubmissionId:
    given = request.match_info["id"].lower()
    if not re.fullmatch(_HEX_ID, given):
        raise Refused("not_found", "expected the id of a submission, found another form")
    return SubmissionId(given)


def wait_s(request: web.Request) -> int | None:
    """Seconds; None where no waiting is preferred. Preferences not understood are ignored."""
    return read_preferences(request.headers.getall("Prefer", []), WAIT_S).wait_s


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


LISTING = (
    Parameter("state", word(State), "Only those in this state."),
    Parameter("outcome", word(Outcome), "Only those that ended so."),
    Parameter("open", FLAG, "Only those that are open, or only those that are closed."),
    Parameter("attribution", word(Attribution), "Only those whose event or movement is so owned."),
    Parameter("late", FLAG, "Only those whose event came after their close, or only all others."),
    Parameter("retry_of", AN_ID, "Only retries of this submission."),
    Parameter("cv_ref", A_REF, "Only those of the code that this stands for."),
    Parameter("created_after", MOMENT, "Only those created then or later."),
    Parameter("created_before", MOMENT, "Only those created before."),
    Parameter("limit", number(1, PAGE, 50), "How many, at most."),
    Parameter("cursor", AN_ID, "The page before gave it, as next_cursor."),
)


def listing_filter(request: web.Request) -> Filter:
    given = read_query(request, LISTING)
    return Filter(
        state=given.get("state"),
        outcome=given.get("outcome"),
        open=given.get("open"),
        attribution=given.get("attribution"),
        late=given.get("late"),
        retry_of=given.get("retry_of"),
        cv_ref=given.get("cv_ref"),
        created_from_ms=given.get("created_after"),
        created_to_ms=given.get("created_before"),
        before=given.get("cursor"),
        limit=given.get("limit", 50),
    )


GAPS = (
    Parameter("limit", number(1, PAGE, 50), "How many, at most."),
    Parameter("cursor", A_NUMBER, "The page before gave it, as next_cursor."),
)


def gaps_page(request: web.Request) -> tuple[int | None, int]:
    """The number to continue below, None at the beginning, and how many."""
    given = read_query(request, GAPS)
    return (int(given["cursor"]) if "cursor" in given else None), given.get("limit", 50)


RETRY = (
    Parameter("force", FLAG, "Send it though evidence_improved or newer_update speaks against it."),
    Parameter("dry_run", FLAG, "Only look: nothing is sent, and nothing is read of a file."),
)
