"""What goes in comes out; rows of other versions are read; damage is named without values."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.journal_sqlite.codec import (
    decode_facts,
    decode_lane,
    decode_submission,
    encode_facts,
    encode_lane,
    encode_submission,
)
from listener.core import facts as catalogue
from listener.core.errors import JournalFault
from listener.core.facts import Fact
from listener.core.names import SubmissionId
from listener.core.submission import Lane, Submission
from tests.contract.journals import a_fact, at, queued

FACTS = [
    kind for kind in vars(catalogue).values() if isinstance(kind, type) and issubclass(kind, Fact)
]


def in_64_bits(fact: Fact) -> bool:
    """Times and counts are; drawn integers need not be."""
    values = (getattr(fact, field.name) for field in fields(fact))
    return all(abs(value) < 2**63 for value in values if isinstance(value, int))


@given(st.from_type(Submission))
def test_any_submission_comes_back(submission: Submission) -> None:
    assert decode_submission(encode_submission(submission)) == submission


@given(st.from_type(Lane))
def test_any_lane_comes_back(lane: Lane) -> None:
    doc = encode_lane(replace(lane, submissions=()))
    assert decode_lane(doc, lane.submissions) == lane
    assert encode_lane(lane) == doc, "its submissions are not in it"


@given(st.lists(st.sampled_from(FACTS).flatmap(st.from_type).filter(in_64_bits), max_size=3))
def test_facts_are_told_apart_by_submission(facts: list[Fact]) -> None:
    body = encode_facts(facts)
    for submission_id in {f.submission_id for f in facts if f.submission_id is not None}:
        told = decode_facts(body, submission_id)
        own = [f for f in facts if f.submission_id == submission_id]
        assert [(at_ms, event) for at_ms, event, _ in told] == [(f.at_ms, f.event) for f in own]
        for (_, _, text), fact in zip(told, own, strict=True):
            assert set(json.loads(text)) == {field.name for field in fields(fact)}


def test_an_older_row_gets_the_defaults() -> None:
    submission = queued(1)
    doc = json.loads(encode_submission(submission))
    oldest = {name: doc[name] for name in ("id", "created_ms", "file")}
    assert decode_submission(json.dumps(oldest)) == submission


def test_a_newer_row_is_read_as_far_as_it_is_known() -> None:
    doc = json.loads(encode_submission(queued(1)))
    doc["colour"] = {"hue": 1}
    doc["file"]["pages"] = 3
    assert decode_submission(json.dumps(doc)) == queued(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", "private"), ("created_ms", "12"), ("file", None), ("attempts", {"0": "private"})],
)
def test_a_damaged_row_is_named_without_its_values(field: str, value: object) -> None:
    doc = json.loads(encode_submission(queued(1))) | {field: value}
    with pytest.raises(JournalFault, match=field) as fault:
        decode_submission(json.dumps(doc))
    assert "private" not in str(fault.value)
    assert fault.value.__cause__ is None and fault.value.__suppress_context__


def test_text_that_is_no_text_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode_submission(queued(1, reason="\ud800"))
    with pytest.raises(ValueError, match="surrogates"):
        encode_facts([replace(a_fact(1, at(1)), submission_id=SubmissionId("\ud800"))])
