"""The gateway's two operations, described. The upstream's answers have whatever form they have."""

from __future__ import annotations

from .asked import KEY
from .gate import Scope
from .gateway_path import BASE
from .operations import Answer, Form, Operation
from .parameters import Header
from .passed_on import APPLIED, DISPATCH, OUTCOME, SUBMISSION_ID
from .schemas import A_CODE
from .upload import OF_FORM, OF_FRONT, OF_KEY, OF_LANE

_CODE = {"cv_code": A_CODE}
_WORDS = (
    "In the path the code is percent-encoded once: all but RFC 3986's unreserved characters. "
    "Where CV_GATEWAY_OPEN lets it, no token is wanted, and requests of pages in a browser are"
    " refused; else one in `Authorization`, or before the path as `/t/{token}`. A query means"
    " nothing. What the daemon itself says has the shape of `Said`."
)
_WHATEVER = Answer("Whatever else the upstream answers, unchanged.", media="*/*")

RECORD = Operation(
    "GET",
    BASE + "/{cv_code}",
    "record",
    "Read a record, through the daemon",
    Scope.READ,
    {
        200: Answer("The upstream's answer, unchanged.", "UpstreamRecord"),
        502: Answer("It could not be reached, or gave no answer that could be read.", "Said"),
        504: Answer("It did not answer in time.", "Said"),
        0: _WHATEVER,
    },
    refusals=("invalid_code", "busy"),
    parameters=None,
    ids=_CODE,
    passes_on=True,
    about=_WORDS,
)
UPDATE = Operation(
    "POST",
    BASE + "/{cv_code}/edits",
    "update",
    "Update a CV, through the daemon",
    Scope.SUBMIT,
    {
        200: Answer(
            "The upstream's reply, unchanged.",
            "UpstreamUpdate",
            always=(SUBMISSION_ID,),
            sometimes=(OUTCOME, DISPATCH, APPLIED),
        ),
        202: Answer(
            "Kept, and it will be sent: `Prefer: respond-async`.",
            "Said",
            always=(SUBMISSION_ID, APPLIED, "Location"),
        ),
        409: Answer(
            "It was withdrawn, or replaced by a newer one, before it was sent.",
            "Said",
            sometimes=(SUBMISSION_ID, OUTCOME, DISPATCH, APPLIED),
        ),
        502: Answer(
            "The upstream had its last word, and it could not be read, or is no longer known.",
            "Said",
            always=(SUBMISSION_ID,),
            sometimes=(OUTCOME, DISPATCH, APPLIED),
        ),
        504: Answer(
            "The upstream has not had its last word in CV_GATEWAY_WAIT; the daemon goes on.",
            "Said",
            always=(SUBMISSION_ID,),
            sometimes=(OUTCOME, DISPATCH, APPLIED),
        ),
        0: Answer(
            "Whatever else the upstream answers, unchanged.",
            media="*/*",
            sometimes=(SUBMISSION_ID, OUTCOME, DISPATCH, APPLIED),
        ),
    },
    refusals=(
        *("invalid_code", "invalid_header", "not_found"),
        *(*OF_FORM, *OF_FRONT, *OF_LANE, *OF_KEY),
    ),
    parameters=None,
    headers=(
        Header(
            "Prefer",
            {"type": "string", "examples": ["respond-async"]},
            "RFC 7240: `wait=N` waits for its close, N seconds at most, `respond-async` for nothing"
            " (or, with `wait=N`, no longer than that).",
        ),
        KEY,
    ),
    ids=_CODE,
    form=Form("UpdatedCv", "The file."),
    passes_on=True,
    about="It is on disk before it is sent, and goes on without the client. Without a key, the same"
    " code and bytes join it while it is open, and once more for an hour after its close where"
    " nobody had the last word on it. " + _WORDS,
)
GATEWAY = (RECORD, UPDATE)
