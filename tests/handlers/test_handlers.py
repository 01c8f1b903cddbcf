"""The handlers that come with it: what each event heard is, and the outcome's line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import cv_updated
from handlers.log import outcome_log
from listener.core.view import public
from tests.adapters.logs.sinks import written
from tests.core.rules.script import accepted


async def test_an_outcome_is_one_line_for_each_version_it_is_given() -> None:
    submission = accepted().at(3).event().of()
    view = public(submission, "cv_0123456789ab")
    with written() as sink:
        handle = outcome_log(sink.log)
        await handle(view)
        await handle(view)
        first, again = sink.of("outcome.reported")
        assert {**first, "timestamp": ""} == {**again, "timestamp": ""}
        assert first["submission_id"] == submission.id
        assert first["cv_ref"] == "cv_0123456789ab"
        assert (first["outcome"], first["attribution"], first["late"]) == (
            "confirmed",
            "exclusive",
            False,
        )
        assert first["submission_version"] == submission.version


@pytest.mark.parametrize(
    "args",
    [
        [{"cv_code": "ABC123XYZ", "status": "draft"}],
        [{"data": {"cv_code": "ABC123XYZ", "status": "draft"}}],
    ],
)
def test_an_event_is_read_wrapped_or_not(args: list[Any]) -> None:
    body = cv_updated.read(args)
    assert body.code == "ABC123XYZ"
    assert body.problem is None
    assert cv_updated.EVENT == "cv_updated"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["cv_code", "data", "cv_id"]), inner)
    ),
)


@given(st.lists(JSON))
def test_an_event_of_any_kind_is_read_or_named(args: list[Any]) -> None:
    body = cv_updated.read(args)
    assert (body.code is None) == (body.problem is not None)
