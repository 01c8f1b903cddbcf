"""``GET /openapi.json``: the API described, from what it runs by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import orjson
from aiohttp import web

from .gate import CHALLENGE, Scope
from .operations import JSON, PLAIN, Answer, Form, Operation, Route
from .passed_on import APPLIED, DISPATCH, OUTCOME, SUBMISSION_ID, status_of
from .problems import KINDS
from .schemas import OF_KIND, SCHEMAS, ref

PROBLEM = "application/problem+json"

DESCRIBE = Operation(
    "GET",
    "/openapi.json",
    "describe",
    "This document",
    None,
    {200: Answer("OpenAPI 3.1.", "OpenApi")},
    about="It wants no token, for it holds nothing of this installation.",
)

_SECONDS = {"type": "integer", "minimum": 0}
ANSWER_HEADERS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "Location": ({"type": "string"}, "Where the submission stands."),
    "Idempotent-Replayed": (
        {"type": "string", "const": "true"},
        "The key was used before for the same; nothing new was stored.",
    ),
    APPLIED: ({"type": "string"}, "What was done of what `Prefer` asked for."),
    "Retry-After": (_SECONDS, "Seconds until it is worth another try."),
    "WWW-Authenticate": ({"type": "string", "pattern": f"^{CHALLENGE}"}, "How to say who asks."),
    "Allow": ({"type": "string"}, "The methods that are right."),
    SUBMISSION_ID: ({"type": "string"}, "The submission that came of it: its id in this API."),
    OUTCOME: (
        {"type": "string", "enum": SCHEMAS["Outcome"]["enum"]},
        "How the submission ended, where it is closed.",
    ),
    DISPATCH: ({"type": "string"}, "The member `dispatch` of the submission, as JSON."),
}

_ABOUT = """\
Submits updates of CVs to an upstream, and tells which had both of its jobs dispatched.

Every path under `/v1/` wants a bearer token; each scope includes those before it: `read`, `submit`,
`admin`. `Host` must be a name of the daemon's, else 421. A name in a query that is not described,
or one that comes twice, is refused with 400. A method that is not described gets 405 and `Allow`, a
path that is not gets 404, both as a problem. One connection too many gets an empty 503 with
`Retry-After`, and what is no HTTP a plain 400. No answer holds a `cv_code`.
"""


class Document:
    """``operations``: all that is described, its own beside them. Made when it is first asked
    for."""

    def __init__(self, operations: Iterable[Operation], version: str) -> None:
        self._operations = (*operations, DESCRIBE)
        self._version = version

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route(DESCRIBE, self._describe)]

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._bytes, headers={"Content-Type": JSON})

    @cached_property
    def _bytes(self) -> bytes:
        return orjson.dumps(self.described) + b"\n"

    @cached_property
    def described(self) -> dict[str, Any]:
        """The document."""
        paths: dict[str, dict[str, Any]] = {}
        for operation in self._operations:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
        return {
            "openapi": "3.1.0",
            "info": {"title": "cv-listener", "version": self._version, "description": _ABOUT},
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "paths": paths,
            "components": {
                "schemas": SCHEMAS,
                "responses": {"WrongMethod": _problems(["wrong_method"])},
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "CV_INTAKE_TOKEN, one of CV_INTAKE_TOKENS, or the one in the"
                        " file `token` of the state folder.",
                    }
                },
            },
        }


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _about(operation),
        "security": _security(operation),
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
    }
    if operation.form is not None:
        told["requestBody"] = _form(operation.form)
    return told


def _about(operation: Operation) -> str:
    if operation.scope is None:
        return operation.about
    return f"{operation.about} Scope: `{operation.scope.value}`.".strip()


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """For a scheme that is not OAuth's, the names are of roles (OpenAPI 3.1)."""
    if operation.scope is None:
        return []
    wanted: list[dict[str, list[str]]] = [{"token": [operation.scope.value]}]
    return [*wanted, {}] if operation.passes_on else wanted


def _parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name, schema in operation.ids.items():
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for parameter in operation.parameters or ():
        yield {
            "name": parameter.name,
            "in": "query",
            "description": parameter.about,
            "schema": parameter.kind.schema,
        }
    for header in operation.headers:
        yield {
            "name": header.name,
            "in": "header",
            "description": header.about,
            "schema": header.schema,
        }


def _form(form: Form) -> dict[str, Any]:
    return {
        "description": form.about,
        "required": form.required,
        "content": {
            "multipart/form-data": {
                "schema": ref(form.schema),
                "encoding": {"cv": {"contentType": ", ".join(OF_KIND.values())}},
            }
        },
    }


def refusals(operation: Operation) -> tuple[str, ...]:
    """The reasons of all that it refuses, the gate's among them."""
    gate = ["internal", *([] if operation.passes_on else ["bad_request"])]
    if not operation.any_host:
        gate.append("wrong_host")
    if operation.parameters is not None:
        gate.append("invalid_query")
    if operation.scope is not None:
        gate += ["unauthorised", "journal_failed"]
        if operation.scope is not Scope.READ or operation.passes_on:
            gate.append("forbidden")
    return (*operation.refusals, *gate)


def _responses(operation: Operation) -> dict[str, Any]:
    found = {_key(status): _answer(answer) for status, answer in operation.answers.items()}
    by_status: dict[int, list[str]] = {}
    for reason in refusals(operation):
        status = status_of(reason) if operation.passes_on else KINDS[reason].status.value
        by_status.setdefault(status, []).append(reason)
    describe: Callable[[list[str]], dict[str, Any]] = _said if operation.passes_on else _problems
    for status, reasons in by_status.items():
        refused = describe(reasons)
        found[_key(status)] = _both(found.get(_key(status)), refused)
    if (plain := found.get("400")) is not None:
        # A head that cannot be read is turned away before anybody knows what it asks for.
        plain["content"][PLAIN] = {"schema": _of_media(PLAIN)}
    return dict(sorted(found.items()))


def _key(status: int) -> str:
    return str(status) if status else "default"


def _answer(answer: Answer) -> dict[str, Any]:
    whole = ref(answer.schema) if answer.schema else _of_media(answer.media)
    told: dict[str, Any] = {
        "description": answer.about,
        "headers": _headers(answer.always, answer.sometimes),
        "content": {
            answer.media: {"schema": whole},
            **{media: {"schema": _of_media(media)} for media in answer.also},
        },
    }
    if answer.links:
        told["links"] = {
            name: {"operationId": name, "parameters": {"id": f"$response.body#{where}"}}
            for name, where in answer.links.items()
        }
    return told


def _of_media(media: str) -> Mapping[str, Any]:
    return {"type": "string"} if media.startswith("text/") else {}


def _headers(always: Iterable[str], sometimes: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for names, required in ((always, True), (sometimes, False)):
        for name in names:
            schema, about = ANSWER_HEADERS[name]
            found[name] = {"description": about, "required": required, "schema": schema}
    return found


def _problems(reasons: list[str]) -> dict[str, Any]:
    """One status, and the problems that have it."""
    kinds = [KINDS[reason] for reason in reasons]
    names = {name: None for kind in kinds for name in kind.headers}
    always = [name for name in names if all(name in kind.headers for kind in kinds)]
    narrower = {
        "properties": {
            "status": {"const": kinds[0].status.value},
            "reason": {"enum": reasons},
        }
    }
    return {
        "description": "\n".join(
            f"- `{reason}`: {kind.title}." for reason, kind in zip(reasons, kinds, strict=True)
        ),
        "headers": _headers(always, [name for name in names if name not in always]),
        "content": {PROBLEM: {"schema": {"allOf": [ref("Problem"), narrower]}}},
    }


def _said(reasons: list[str]) -> dict[str, Any]:
    """The same in the upstream's shape; it has answers of its own, by any status."""
    names = {name: None for reason in reasons for name in KINDS[reason].headers}
    return {
        "description": "\n".join(f"- {KINDS[reason].title}." for reason in reasons),
        "headers": _headers((), names),
        "content": {JSON: {"schema": ref("Said")}},
    }


def _both(answer: dict[str, Any] | None, refused: dict[str, Any]) -> dict[str, Any]:
    """What a status can say where it both answers and refuses: a header that only one of them
    always has is there sometimes."""
    if answer is None:
        return refused
    theirs, ours = answer["headers"], refused["headers"]
    each = {name: (theirs.get(name), ours.get(name)) for name in {**theirs, **ours}}
    always = [name for name, both in each.items() if all(one and one["required"] for one in both)]
    return {
        **answer,
        "description": f"{answer['description']}\n{refused['description']}",
        "headers": _headers(always, [name for name in each if name not in always]),
        "content": {**answer["content"], **refused["content"]},
    }
