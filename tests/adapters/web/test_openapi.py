"""The document at ``/openapi.json``: that it is one, that it says all, and that it says no more."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from schemathesis.specs.openapi import definitions

from listener.adapters.web import gateway, upload
from listener.adapters.web.problems import KINDS
from listener.adapters.web.schemas import SCHEMAS
from listener.core.names import Objection

from .conformance import Described
from .rig import READ, Daemon

AN_ID = "0199a1b2-0000-7000-8000-00000000ffff"
ADD = (
    "give its Route an Operation that says what it takes and answers (CONTRIBUTING, An HTTP route)"
)
WEB = Path(gateway.__file__).parent


async def document(house: Daemon) -> dict[str, Any]:
    return dict((await house.http.get("/openapi.json")).json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Each operation: its method, its path, and what is said of it."""
    return [
        (method.upper(), path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


def filled(path: str) -> str:
    """A path with something in place of what is to be filled in."""
    return path.replace("{id}", AN_ID).replace("{cv_code}", "ABC123XYZ")


async def test_it_is_openapi_3_1_and_everybody_may_have_it(house: Daemon) -> None:
    async with httpx.AsyncClient(base_url=house.http.base_url, trust_env=False) as nobody:
        answer = await nobody.get("/openapi.json")
        assert answer.status_code == 200
        elsewhere = await nobody.get("/openapi.json", headers={"Host": "evil.example"})
        assert elsewhere.status_code == 421
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json()
    definitions.OPENAPI_31_VALIDATOR.validate(found)
    names = [told["operationId"] for _, _, told in operations(found)]
    assert len(set(names)) == len(names)
    used = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert used == set(found["components"]["schemas"])
    links = [
        link["operationId"]
        for _, _, told in operations(found)
        for response in told["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links and set(links) <= set(names)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    schema = json.loads(json.dumps({**SCHEMAS[name], "components": {"schemas": SCHEMAS}}))
    jsonschema_rs.Draft202012Validator(schema)
    metaschema = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    jsonschema_rs.Draft202012Validator(metaschema).validate(schema)


async def test_every_route_is_described(house: Daemon) -> None:
    """A path that is served some other way than by ``Api`` is found here."""
    described = {(method, path) for method, path, _ in operations(await document(house))}
    application = house.web._runner.app
    served = {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    # Of the gateway's paths the router knows the beginning alone.
    open_ended = {(method, path) for method, path in served if method == "*"}
    assert open_ended == {("*", "/cv-enhance{rest}"), ("*", "/t{rest}")}
    for method, path in served - open_ended - described:
        pytest.fail(f"{method} {path} is served and not described: {ADD}")
    gateways = {(method, path) for method, path in described if path.startswith("/cv-enhance/")}
    assert described - served == gateways, "described and not served"


async def test_every_problem_is_described_where_it_comes(house: Daemon) -> None:
    found = await document(house)
    reasons = {told["operationId"]: _reasons(told) for _, _, told in operations(found)}
    everywhere = {reason for of_one in reasons.values() for reason in of_one}
    assert set(KINDS) - everywhere == {"wrong_method"}, "it is of no operation that is described"
    assert "wrong_method" in json.dumps(found["components"]["responses"]["WrongMethod"])
    assert _literals("Refused", *WEB.glob("*.py")) <= set(KINDS)
    for name in ("retry", "submit", "cancel"):
        assert reasons[name] >= set(upload.OF_FRONT)
    assert reasons["retry"] >= {objection.value for objection in Objection}


def test_what_an_upload_is_refused_for_is_what_is_described_of_it() -> None:
    groups = (
        *(upload.OF_CODE, upload.OF_FORM, upload.OF_PLACE),
        *(upload.OF_FRONT, upload.OF_LANE, upload.OF_KEY),
    )
    described = {reason for group in groups for reason in group}
    raised = _literals("Refused", Path(upload.__file__))
    assert raised | set(upload._FILE_REASONS.values()) | set(upload._TURNED) == described


def _literals(call: str, *paths: Path) -> set[str]:
    """The first argument of each such call, where it stands there as a text."""
    return {
        str(node.args[0].value)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == call
        and isinstance(node.args[0], ast.Constant)
    }


def _reasons(operation: dict[str, Any]) -> set[str]:
    """Of its problems."""
    return {
        reason
        for response in operation["responses"].values()
        for media, content in response["content"].items()
        if media == "application/problem+json"
        for reason in content["schema"]["allOf"][1]["properties"]["reason"]["enum"]
    }


async def test_a_query_that_is_not_described_is_refused_everywhere(house: Daemon) -> None:
    found = await document(house)
    for method, path, _ in operations(found):
        if path.startswith("/cv-enhance/"):
            continue  # The upstream ignores them, and so does the gateway.
        for query in ("nothing_of_ours=1", "cv_code=x"):
            answer = await house.http.request(method, f"{filled(path)}?{query}")
            told = answer.json()
            assert (answer.status_code, told["reason"]) == (400, "invalid_query"), (method, path)
    assert not house.service.draining
    assert house.service.pause.since_ms is None


async def test_a_method_that_is_not_described_is_refused_everywhere(house: Daemon) -> None:
    found = await document(house)
    for path, methods in found["paths"].items():
        allowed = {method.upper() for method in methods}
        for method in {
            "GET",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "OPTIONS",
            "TRACE",
            "QUERY",
        } - allowed:
            answer = await house.http.request(method, filled(path))
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == allowed


async def test_what_is_described_to_want_a_token_wants_it(house: Daemon) -> None:
    found = await document(house)
    async with httpx.AsyncClient(base_url=house.http.base_url, trust_env=False) as nobody:
        for method, path, told in operations(found):
            if {} in told["security"] or not told["security"]:
                continue
            ((scope,),) = told["security"][0].values()
            assert await status(nobody, method, path) == 401
            forbidden = await status(nobody, method, path, READ) == 403
            assert forbidden == (scope != "read"), (method, path)


async def status(
    client: httpx.AsyncClient, method: str, path: str, token: str | None = None
) -> int:
    """Of an answer, which may be without end."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with client.stream(method, filled(path), headers=headers) as answer:
        return answer.status_code


async def test_a_link_leads_where_it_says(house: Daemon) -> None:
    """Of each answer that has some: what was submitted, shown, sent again, withdrawn."""
    found = await document(house)
    by_name = {told["operationId"]: (method, path) for method, path, told in operations(found)}
    taken = await house.post(headers={"Prefer": "wait=60"})
    location = taken.headers["Location"]
    answers = {
        "submit": taken,
        "show": await house.http.get(location),
        "retry": await house.http.post(f"{location}/retry?dry_run=true"),
        "cancel": await house.http.post(f"{location}/cancel"),
    }
    for name, answer in answers.items():
        method, path = by_name[name]
        described = found["paths"][path][method.lower()]["responses"][str(answer.status_code)]
        assert described["links"], name
        for link in described["links"].values():
            value = answer.json()
            for step in link["parameters"]["id"].removeprefix("$response.body#/").split("/"):
                value = value[step]
            method, path = by_name[link["operationId"]]
            led_to = await house.http.request(method, path.replace("{id}", value))
            assert led_to.status_code in (200, 409), (name, link)


def test_an_answer_that_is_not_described_is_noticed() -> None:
    """What the other tests of the web are held against is not blind."""
    problem = {
        "type": "urn:cv-listener:problem:not_found",
        "title": "",
        "status": 404,
        "detail": "",
        "reason": "not_found",
    }
    head = {"content-type": "application/problem+json"}
    document = {
        "paths": {
            "/a/{id}": {
                "get": {
                    "responses": {
                        "404": {
                            "headers": {"Allow": {"required": True, "schema": {"type": "string"}}},
                            "content": {
                                head["content-type"]: {
                                    "schema": {"$ref": "#/components/schemas/Problem"}
                                }
                            },
                        }
                    }
                }
            }
        },
        "components": {"schemas": SCHEMAS},
    }
    fits, body = Described(document).fits, json.dumps(problem).encode()
    fits("GET", "/a/b?c", 404, {**head, "allow": "GET"}, body)
    for status, headers, sent in (
        (404, head, body),
        (200, {**head, "allow": "GET"}, body),
        (404, {"content-type": "application/json", "allow": "GET"}, body),
        (404, {**head, "allow": "GET"}, json.dumps(problem | {"more": 1}).encode()),
        (404, {**head, "allow": "GET"}, json.dumps(problem | {"reason": "no_such"}).encode()),
    ):
        with pytest.raises(AssertionError):
            fits("GET", "/a/b", status, headers, sent)
