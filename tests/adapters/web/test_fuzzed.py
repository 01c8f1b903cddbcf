"""What schemathesis makes of the document: requests that fit it and requests that do not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection

from .fuzzed import document, running
from .rig import ALL, PDF, docx

Case = schemathesis.Case[Any]

schemathesis.openapi.format("binary", st.sampled_from([PDF, docx()]))


class Briefly(requests.Session):
    """Takes of a stream of events what comes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["Authorization"] = f"Bearer {ALL}"

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        answer = super().send(request, **how)
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            chunks = [b"", answer.raw.read1(1 << 16, decode_content=True)]
            answer.raw.read1 = lambda *_, **__: chunks.pop()  # type: ignore[method-assign]  # no more of it
        return answer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a daemon, while it runs."""
    with running(tmp_path_factory.mktemp("fuzzed")) as found:
        yield found


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with Briefly() as kept:
        yield kept


checks = {
    # Whether a key was used before is nothing that a schema could say.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
}
generation = {"with-security-parameters": False}  # The session has a token.
api = schemathesis.openapi.from_dict(
    document(),
    config=schemathesis.Config.from_dict({"checks": checks, "generation": generation}),
)


def hold(case: Case, url: str, session: requests.Session) -> None:
    """The answer is described, and what does not fit the description is refused; but a form is all
    of texts, so that none is of another type."""
    excluded: list[CheckFunction] = [negative_data_rejection] if case.operation.body else []
    case.call_and_validate(url, session, excluded_checks=excluded)


@api.parametrize()
@settings(max_examples=10)
def test_no_answer_is_undescribed(case: Case, url: str, session: requests.Session) -> None:
    hold(case, url, session)


@pytest.mark.prove
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_no_answer_is_undescribed_of_many(
    url: str, session: requests.Session, mode: schemathesis.GenerationMode
) -> None:
    for found in api.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=40)
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Case) -> None:
            hold(case, url, session)

        with contextlib.suppress(Unsatisfiable):  # Of what has no parameter nothing is wrong.
            holds()
