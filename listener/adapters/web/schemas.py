"""The forms of what is answered and sent, as JSON schemas (2020-12), by name.

Each object of ours has just these members, all of them: a form that changes without its schema
fails the tests, and so does a schema without its form. Words are the core's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from listener.core.event_spec import Level
from listener.core.names import (
    Ahead,
    Attribution,
    FileKind,
    GapReason,
    Gate,
    Movement,
    Objection,
    Outcome,
    State,
    UpstreamJob,
    Verdict,
    WaitingFor,
)
from listener.core.wire import MAX_CODE_BYTES

from .asked import A_NUMBER, A_PLACE, A_REF, AN_ID
from .parameters import Schema
from .problems import KINDS, TYPE

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
OF_KIND = {
    FileKind.PDF: "application/pdf",
    FileKind.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def ref(name: str) -> Schema:
    """One of ``SCHEMAS``, where it is used."""
    return {"$ref": f"#/components/schemas/{name}"}


def word(words: Iterable[StrEnum]) -> Schema:
    """One of these."""
    return {"type": "string", "enum": [word.value for word in words]}


def or_null(schema: Schema) -> Schema:
    """That, or nothing."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def counts(words: Iterable[StrEnum]) -> Schema:
    """How many of each word; a word that counts nothing may be left out."""
    return {
        "type": "object",
        "propertyNames": word(words),
        "additionalProperties": {"type": "integer", "minimum": 0},
    }


def members(
    always: Mapping[str, Schema], sometimes: Mapping[str, Schema] | None = None, about: str = ""
) -> Schema:
    """An object with just these members."""
    found: dict[str, object] = {
        "type": "object",
        "properties": {**always, **(sometimes or {})},
        "required": list(always),
        "additionalProperties": False,
    }
    return found | ({"description": about} if about else {})


_SENDING: Mapping[str, Schema] = {
    "paused_since": or_null(MOMENT),
    "draining": FLAG,
    "in_flight": COUNT,
    "gate": or_null(word(Gate)),
    "gate_until": or_null(MOMENT),
}
_LOOKED_AT: Mapping[str, Schema] = {"reasons": list_of(TEXT), "checks": list_of(ref("Check"))}
A_CODE: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_CODE_BYTES,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
    "not": {"enum": [".", ".."]},
    "examples": ["ABC123XYZ", "Cv9E#nH4$xTz8!pY2aW^mK6rL"],
    "description": f"UTF-8 without control characters, {MAX_CODE_BYTES} bytes of it at most.",
}
_FILE: Schema = {
    "type": "string",
    "format": "binary",
    "description": "PDF or DOCX, by its content; CV_MAX_FILE_BYTES at most.",
}
_WAIT = or_null({**COUNT, "description": "Null where there is too little to tell."})
_UPSTREAMS: Schema = {"type": ["integer", "string", "null"]}


def _page(name: str, schema: str, cursor: Schema) -> Schema:
    after = or_null({**cursor, "description": "For `cursor`; null at the end."})
    return members({name: list_of(ref(schema)), "next_cursor": after})


SCHEMAS: Mapping[str, Schema] = {
    "Submission": members(
        {
            "id": AN_ID.schema,
            "cv_ref": {**A_REF.schema, "description": "Stands for the code."},
            "state": ref("State"),
            "outcome": or_null(ref("Outcome")),
            "outcome_before": or_null(ref("Outcome")),
            "late": FLAG,
            "version": {"type": "integer", "minimum": 1},
            "attribution": or_null(word(Attribution)),
            "attempts": COUNT,
            "dispatch": members({job.value: ref("Dispatch") for job in UpstreamJob}),
            "upstream": or_null(
                members(
                    {
                        "cv_id": _UPSTREAMS,
                        "application_id": _UPSTREAMS,
                        "status": or_null(TEXT),
                    }
                )
            ),
            "deaf_ms": COUNT,
            "duplicates": COUNT,
            "retry_of": or_null(AN_ID.schema),
            "created_at": MOMENT,
            "sent_at": or_null(MOMENT),
            "accepted_at": or_null(MOMENT),
            "heard_at": or_null(MOMENT),
            "closed_at": or_null(MOMENT),
            "corrected_at": or_null(MOMENT),
            "deadline_at": or_null(MOMENT),
            "waiting_for": or_null(word(WaitingFor)),
            "reason": or_null(TEXT),
        },
        {
            "retried_by": {
                **members(
                    {
                        "id": AN_ID.schema,
                        "state": ref("State"),
                        "outcome": or_null(ref("Outcome")),
                    }
                ),
                "description": "Where it was sent again, and was to be: the retry that counts.",
            }
        },
        about="An update of a CV. An outcome can be corrected later: same id, higher version.",
    ),
    "State": {**word(State), "description": "Where it is."},
    "Outcome": {**word(Outcome), "description": "How it ended, as far as is known now."},
    "Dispatch": members(
        {"verdict": word(Verdict), "evidence": list_of(TEXT)},
        about="How the dispatch of one of the upstream's jobs is known.",
    ),
    "Story": members(
        {
            "submission": ref("Submission"),
            "at": MOMENT,
            "explanation": TEXT,
            "waits_for": or_null(
                members({"what": word(WaitingFor), "since": MOMENT, "for_ms": COUNT, "words": TEXT})
            ),
            "usual": or_null(
                members(
                    {
                        "confirmed": COUNT,
                        "since": or_null(MOMENT),
                        "event_p50_ms": _WAIT,
                        "event_p90_ms": _WAIT,
                        "reply_p50_ms": _WAIT,
                        "reply_p90_ms": _WAIT,
                        "words": TEXT,
                    }
                )
            ),
            "next": list_of(members({"what": word(Ahead), "at": or_null(MOMENT), "words": TEXT})),
            "means": or_null(TEXT),
            "what_to_do": or_null(TEXT),
            "story": list_of(
                {
                    "type": "object",
                    "properties": {"at": MOMENT, "event": TEXT, "words": TEXT},
                    "required": ["at", "event", "words"],
                    "description": "An event of the log with its fields, or a `gap`.",
                }
            ),
        },
        about="What it waits for, or what its outcome means; and what happened, in order.",
    ),
    "Submissions": _page("submissions", "Submission", AN_ID.schema),
    "Retry": members(
        {
            "submission": or_null(ref("Submission")),
            "objection": or_null(word(Objection)),
            "retry_of": ref("Submission"),
            "file": {"type": "string", "enum": ["kept", "sent", "gone"]},
            "redispatches": list_of(word(UpstreamJob)),
            "deletes_stored_file": FLAG,
            "drift": ref("Drift"),
        },
        about="What sending again would do, or did; `submission` is the new one.",
    ),
    "Drift": members(
        {
            "at": MOMENT,
            "closed_ms_ago": or_null(COUNT),
            "record": word(Movement),
            "status": or_null(TEXT),
            "enhance_status": or_null(TEXT),
            "evidence": list_of(TEXT),
            "newer": list_of(
                members(
                    {
                        "id": AN_ID.schema,
                        "state": ref("State"),
                        "outcome": or_null(ref("Outcome")),
                        "retry_of": or_null(AN_ID.schema),
                        "created_at": MOMENT,
                    }
                )
            ),
        },
        about="What has changed since the close.",
    ),
    "Gap": members(
        {
            "start_at": MOMENT,
            "end_at": or_null(MOMENT),
            "duration_ms": COUNT,
            "reason": word(GapReason),
            "touched": COUNT,
            "open": COUNT,
            "became": counts(Outcome),
            "settled_at": or_null(MOMENT),
        },
        about="A time without a subscription that is proven to have missed nothing.",
    ),
    "Gaps": _page("gaps", "Gap", A_NUMBER.schema),
    "Incidents": members(
        {
            "incidents": list_of(
                members(
                    {
                        "event": TEXT,
                        "reason": or_null(TEXT),
                        "level": word((Level.WARNING, Level.ERROR, Level.CRITICAL)),
                        "count": COUNT,
                        "first_at": MOMENT,
                        "last_at": MOMENT,
                        "what_to_do": TEXT,
                        "runbook": TEXT,
                    }
                )
            )
        }
    ),
    "Forgotten": members({"dry_run": FLAG, "submissions": COUNT, "open": COUNT}),
    "Sending": members(_SENDING),
    "Check": members({"name": TEXT, "ok": FLAG, "required": FLAG, "detail": TEXT}),
    "Liveness": members({"alive": FLAG}, _LOOKED_AT),
    "Readiness": members({"ready": FLAG}, _LOOKED_AT),
    "Status": members(
        {
            "version": TEXT,
            "ready": FLAG,
            "checks": list_of(ref("Check")),
            **_SENDING,
            "open": counts(State),
            "closed": counts(Outcome),
            "oldest_open_at": or_null(MOMENT),
        }
    ),
    "Problem": members(
        {
            "type": {"type": "string", "pattern": f"^{TYPE}[a-z_]+$"},
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": TEXT,
            "reason": {"type": "string", "enum": list(KINDS)},
        },
        {"cause": TEXT, "retry": ref("Retry"), "forget": ref("Forgotten")},
        about="RFC 9457. Programs go by `reason`.",
    ),
    "Event": members(
        {
            "event": {**TEXT, "description": "Its name, as in the log; or `stream.reset`."},
            "id": {**A_PLACE.schema, "description": "For `Last-Event-ID` and `after`."},
            "data": {
                **TEXT,
                "contentMediaType": "application/json",
                "contentSchema": {
                    "type": "object",
                    "description": "What is told of it, as in the log. Of a reset nothing is.",
                    "properties": {
                        "event": TEXT,
                        "submission_id": AN_ID.schema,
                        "cv_ref": A_REF.schema,
                        "at": MOMENT,
                        "sequence": A_PLACE.schema,
                    },
                },
            },
        },
        about="An event of the stream, by its fields.",
    ),
    "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
    "NewSubmission": members({"cv_code": A_CODE, "cv": _FILE}),
    "ToForget": {
        "type": "object",
        "properties": {
            "cv_code": A_CODE,
            "id": AN_ID.schema,
            "older_than_days": {"type": "integer", "minimum": 0, "maximum": 99_999},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
    "CvFile": members({"cv": _FILE}),
    "Said": members(
        {"status": {"type": "string", "enum": ["error", "accepted"]}, "message": TEXT},
        about="The daemon's own word, in the upstream's shape.",
    ),
    "UpstreamRecord": {
        "type": "object",
        "description": "The upstream's, passed on unchanged: these members as far as is known.",
        "properties": {
            "status": TEXT,
            "data": {
                "type": "object",
                "properties": {
                    "cv_code": TEXT,
                    "cv_id": {},
                    "application_id": {},
                    "cv_path": {},
                    "cv_data": {},
                    "status": {},
                    "cv_enhance_status": {},
                    "enhancement_result": {},
                    "position_match": {},
                },
            },
        },
    },
    "UpstreamUpdate": {
        "type": "object",
        "description": "The upstream's, passed on unchanged: these members as far as is known.",
        "properties": {
            "status": TEXT,
            "data": {
                "type": "object",
                "properties": {
                    "cv_code": TEXT,
                    "cv_id": {},
                    "application_id": {},
                    "status": {},
                    "cv_updated": {},
                    "message": {},
                },
            },
        },
    },
    "UpdatedCv": {
        "type": "object",
        "properties": {"cv": _FILE},
        "required": ["cv"],
        "propertyNames": {"pattern": r"^[^\u0000]*$"},
        "description": "Other fields are ignored.",
    },
}
