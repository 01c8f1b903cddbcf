"""What a request asks for by its path, query and headers, described and read."""

from __future__ import annotations

import re

from aiohttp import web

from listener.core.names import Attribution, Outcome, State, SubmissionId
from listener.ports.front import Filter

from .parameters import FLAG, MOMENT, Header, Parameter, given, number, text, word
from .preferences import read_preferences
from .problems import Refused

WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
PAGE = 500
"""The longest page of a listing."""
PAGE_BY_ITSELF = 50

HEX_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
AN_ID = text(HEX_ID, "the id of a submission")
A_NUMBER = text(r"[0-9]{1,18}", "a number that an earlier answer gave")
A_REF = text(r"cv_[0-9a-f]{12}", "cv_ and 12 hexadecimal digits")
A_PLACE = text(
    r"[0-9]{1,18}(?:\.[0-9]{1,6})?",
    "an earlier event's id gave it, or 0 for all that is kept",
)

_KEY = r"[!-~]{1,255}"

AN_ID_IN_PATH = {
    "id": {"type": "string", "pattern": f"^{HEX_ID.replace('a-f', 'a-fA-F')}$"},
}
"""What stands in a path for one submission."""
PREFER = Header(
    "Prefer",
    {"type": "string", "examples": ["wait=30"]},
    f"RFC 7240: `wait=N` waits until it is closed, N seconds ({WAIT_S} at most). What is not"
    " understood is ignored.",
)
KEY = Header(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^{_KEY}$"},
    "For 24 hours the same key with the same code and bytes gives the first submission again, and"
    " stores nothing.",
)


def submission_id(request: web.Request) -> SubmissionId:
    found = request.match_info["id"].lower()
    if not re.fullmatch(HEX_ID, found):
        raise Refused("not_found", "expected the id of a submission, found another form")
    return SubmissionId(found)


def wait_s(request: web.Request) -> int | None:
    """Seconds; None where no waiting is preferred. Preferences not understood are ignored."""
    return read_preferences(request.headers.getall("Prefer", []), WAIT_S).wait_s


def idempotency_key(request: web.Request) -> str | None:
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not re.fullmatch(_KEY, keys[0]):
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
    Parameter("needs_person", FLAG, "Only those that call for a person, or only all others."),
    Parameter("cv_ref", A_REF, "Only those of the code that this stands for."),
    Parameter("created_after", MOMENT, "Only those created then or later."),
    Parameter("created_before", MOMENT, "Only those created before."),
    Parameter("limit", number(1, PAGE, PAGE_BY_ITSELF), "How many, at most."),
    Parameter("cursor", AN_ID, "The page before gave it, as next_cursor."),
)


def listing_filter(request: web.Request) -> Filter:
    asked = given(request)
    return Filter(
        state=asked.get("state"),
        outcome=asked.get("outcome"),
        open=asked.get("open"),
        attribution=asked.get("attribution"),
        late=asked.get("late"),
        retry_of=asked.get("retry_of"),
        needs_person=asked.get("needs_person"),
        cv_ref=asked.get("cv_ref"),
        created_from_ms=asked.get("created_after"),
        created_to_ms=asked.get("created_before"),
        before=asked.get("cursor"),
        limit=asked.get("limit", PAGE_BY_ITSELF),
    )


GAPS = (
    Parameter("limit", number(1, PAGE, PAGE_BY_ITSELF), "How many, at most."),
    Parameter("cursor", A_NUMBER, "The page before gave it, as next_cursor."),
)


def gaps_page(request: web.Request) -> tuple[int | None, int]:
    """The number to continue below, None at the beginning, and how many."""
    asked = given(request)
    after = int(asked["cursor"]) if "cursor" in asked else None
    return after, asked.get("limit", PAGE_BY_ITSELF)


RETRY = (
    Parameter("force", FLAG, "Send it though evidence_improved or newer_update speaks against it."),
    Parameter("dry_run", FLAG, "Only look: nothing is sent, and nothing is read of a file."),
)

FORGET = (Parameter("dry_run", FLAG, "Only count: nothing is deleted."),)
