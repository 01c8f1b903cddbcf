"""Each answer that a test gets is held against the document that the daemon serves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx
import jsonschema_rs

PLAIN = "text/plain"
_PREFIX = re.compile(r"^/t/[^/]*(?=/cv-enhance)")


class Described:
    """A document, asked whether an answer fits it. Raises AssertionError where it does not."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document: dict[str, Any] = json.loads(json.dumps(document))
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    @cached_property
    def _templates(self) -> list[tuple[re.Pattern[str], str]]:
        paths = sorted(self.document["paths"], key=lambda path: path.count("{"))
        return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]

    def template(self, raw_path: str) -> str | None:
        """The path of the document that a request's is one of."""
        path = _PREFIX.sub("", raw_path.partition("?")[0])
        return next((one for found, one in self._templates if found.fullmatch(path)), None)

    def fits(
        self,
        method: str,
        raw_path: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> None:
        """``headers`` by names in lower case; ``body`` None: a stream, which is not looked at."""
        where = self.template(raw_path)
        if status == 503 and not body and headers.get("content-length") == "0":
            assert "retry-after" in headers, "one connection too many is told when to come back"
            return
        operations = self.document["paths"].get(where, {})
        media = headers.get("content-type", "").partition(";")[0]
        ours = headers.get("x-content-type-options") == "nosniff"
        if method == "HEAD":
            return  # It has the head of a GET's, and no operation of its own.
        if where is None or method.lower() not in operations:
            self._fits_no_operation(status, headers, media, body)
            return
        name = f"{method} {where} {status}"
        answers = operations[method.lower()]["responses"]
        answer = answers.get(str(status)) or (None if ours else answers.get("default"))
        assert answer is not None, f"{name} is not described: {sorted(answers)} are"
        self._fits_headers(name, answer["headers"], headers)
        if "*/*" in answer["content"] or (str(status) not in answers and not ours):
            return
        if not ours and "default" in answers:
            return  # The upstream's own, of whatever form.
        assert media in answer["content"], f"{name} is {media}, and {sorted(answer['content'])} are"
        if body is not None and media.endswith("json"):
            self._holds(name, answer["content"][media]["schema"], body)

    def _fits_no_operation(
        self, status: int, headers: Mapping[str, str], media: str, body: bytes | None
    ) -> None:
        """No such path or method, or what was asked before that: who asks, and for which host."""
        if media == "application/problem+json":
            self._holds("a problem", {"$ref": "#/components/schemas/Problem"}, body or b"")
        elif media != PLAIN:
            self._holds("a word of ours", {"$ref": "#/components/schemas/Said"}, body or b"")
        assert status in (400, 401, 403, 404, 405, 421), f"{status} where nothing is described"
        assert (status == 405) == ("allow" in headers)

    def _fits_headers(
        self, name: str, described: dict[str, Any], headers: Mapping[str, str]
    ) -> None:
        for header, one in described.items():
            value = headers.get(header.lower())
            assert value is not None or not one["required"], f"{name} lacks {header}"
            if value is not None:
                numeric = one["schema"].get("type") == "integer"
                self._holds(
                    f"{name} {header}",
                    one["schema"],
                    (value if numeric else json.dumps(value)).encode(),
                )

    def _holds(self, name: str, schema: dict[str, Any], body: bytes) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        errors = [
            f"{'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in self._validators[key].iter_errors(json.loads(body))
        ]
        assert not errors, f"{name} does not fit its schema: {errors}"

    def fits_event(self, fields: Mapping[str, str]) -> None:
        """One event of a stream, and what it tells."""
        event = self.document["components"]["schemas"]["Event"]
        whole = {name: value for name, value in fields.items() if name != "retry"}
        self._holds("an event", event, json.dumps(whole).encode())
        told = event["properties"]["data"]["contentSchema"]
        self._holds("what is told", told, fields["data"].encode())

    async def of_client(self, response: httpx.Response) -> None:
        """A hook of httpx's: every answer that a client gets."""
        request = response.request
        stream = "event-stream" in response.headers.get("Content-Type", "")
        body = None if stream else await response.aread()
        path = request.url.raw_path.decode("ascii")
        self.fits(request.method, path, response.status_code, response.headers, body)

    def of_bytes(self, sent: bytes, got: bytes) -> None:
        """The one answer to the one request that was sent; not looked at where it is no HTTP."""
        asked = re.match(rb"([A-Z]+) (/[!-~]*) HTTP/1\.1\r\n", sent)
        answer = got.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, blank, body = answer.partition(b"\r\n\r\n")
        if asked is None or not blank or b"chunked" in head or b"HTTP/1.1 " in body:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])
        }
        self.fits(asked[1].decode(), asked[2].decode(), int(lines[0].split()[1]), headers, body)
