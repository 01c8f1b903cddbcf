"""Refusals, as RFC 9457 problem details. No problem ever holds a cv_code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web

TYPE = "urn:cv-listener:problem:"


class Kind(NamedTuple):
    """One kind of refusal. ``headers``: those that each of it has."""

    status: HTTPStatus
    title: str
    headers: tuple[str, ...] = ()


RETRY = ("Retry-After",)

KINDS: Mapping[str, Kind] = {
    "invalid_code": Kind(HTTPStatus.BAD_REQUEST, "The cv_code cannot be sent"),
    "malformed_form": Kind(HTTPStatus.BAD_REQUEST, "The form cannot be read"),
    "missing_field": Kind(HTTPStatus.BAD_REQUEST, "The form lacks a field"),
    "unexpected_field": Kind(HTTPStatus.BAD_REQUEST, "The form has a field too many"),
    "empty_file": Kind(HTTPStatus.BAD_REQUEST, "The CV file is empty"),
    "invalid_query": Kind(HTTPStatus.BAD_REQUEST, "The query cannot be understood"),
    "invalid_header": Kind(HTTPStatus.BAD_REQUEST, "A header cannot be understood"),
    "unauthorised": Kind(HTTPStatus.UNAUTHORIZED, "A valid token is needed", ("WWW-Authenticate",)),
    "forbidden": Kind(HTTPStatus.FORBIDDEN, "The token does not allow this"),
    "not_found": Kind(HTTPStatus.NOT_FOUND, "There is no such thing"),
    "wrong_method": Kind(
        HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed here", ("Allow",)
    ),
    "too_slow": Kind(HTTPStatus.REQUEST_TIMEOUT, "The body took too long"),
    "lane_busy": Kind(HTTPStatus.CONFLICT, "Another update of this CV is open"),
    "in_flight": Kind(HTTPStatus.CONFLICT, "The same request is not through yet", RETRY),
    "still_open": Kind(HTTPStatus.CONFLICT, "It is still open"),
    "evidence_improved": Kind(HTTPStatus.CONFLICT, "It was applied, by what is known now"),
    "newer_update": Kind(HTTPStatus.CONFLICT, "A newer update of this CV exists"),
    "file_gone": Kind(HTTPStatus.CONFLICT, "Its file is no longer kept"),
    "too_large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The CV file is too large"),
    "wrong_kind": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The CV file is no PDF and no DOCX"),
    "not_a_form": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not a form"),
    "wrong_host": Kind(HTTPStatus.MISDIRECTED_REQUEST, "This is not that host"),
    "key_reused": Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The idempotency key was used for something else"
    ),
    "bad_request": Kind(HTTPStatus.BAD_REQUEST, "The request cannot be understood"),
    "internal": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "The daemon failed"),
    "draining": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon is stopping", RETRY),
    "starting": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon is starting", RETRY),
    "busy": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Too many are at it already", RETRY),
    "journal_failed": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The journal failed", RETRY),
    "spool_failed": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The CV file cannot be stored"),
    "spool_full": Kind(HTTPStatus.INSUFFICIENT_STORAGE, "There is no room for the CV file"),
}
"""By ``reason``, the slug that programs go by."""


class Refused(Exception):
    """A request that is answered with a problem. ``cause`` is a finer slug, where there is one;
    ``also`` are members of its own."""

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        cause: str | None = None,
        headers: Mapping[str, str] | None = None,
        also: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.cause = cause
        self.headers = dict(headers or {})
        self.also = dict(also or {})


def problem(refused: Refused) -> web.Response:
    """The answer."""
    kind = KINDS[refused.reason]
    body: dict[str, object] = {
        "type": TYPE + refused.reason,
        "title": kind.title,
        "status": kind.status.value,
        "detail": refused.detail,
        "reason": refused.reason,
    }
    if refused.cause is not None:
        body["cause"] = refused.cause
    body |= refused.also
    return web.Response(
        status=kind.status.value,
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/problem+json", **refused.headers},
    )


def of_journal() -> Refused:
    """The journal failed in a request."""
    detail = "the daemon stops; its log says why"
    return Refused("journal_failed", detail, headers={"Retry-After": "10"})


def of_http(error: web.HTTPException) -> Refused:
    """What the router refused, said our way."""
    match error:
        case web.HTTPNotFound():
            return Refused("not_found", "no such path; GET /v1/submissions lists what is known")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Refused("wrong_method", f"allowed here: {allowed}", headers={"Allow": allowed})
        case _:
            return Refused("bad_request", "the request could not be understood")
