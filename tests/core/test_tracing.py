"""Names of traces and spans: a submission's own, the same wherever they are made."""

from __future__ import annotations

import re

from listener.core.tracing import attempt_name, ids_of, span_id, trace_id, traceparent

ID = "0199aaaa-bbbb-7ccc-8ddd-1234567890ab"


def test_a_submission_is_a_trace_and_each_of_its_requests_a_span_of_it() -> None:
    first, second = attempt_name(ID, 1), attempt_name(ID, 2)
    assert trace_id(ID) == trace_id(first) == trace_id(f"{second}-baseline") == ID.replace("-", "")
    assert len({span_id(name) for name in (ID, first, second, f"{second}-baseline")}) == 4
    assert traceparent(first) == f"00-{trace_id(ID)}-{span_id(first)}-01"


def test_any_other_name_makes_a_trace_of_the_right_form() -> None:
    for name in ("", "s000001-1", "0199AAAA", "x" * 500):
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent(name))


def test_a_line_has_the_ids_of_its_attempt_or_else_of_its_submission() -> None:
    assert ids_of({"open": 3}) == {}
    assert ids_of({"submission_id": ID}) == {"trace_id": trace_id(ID), "span_id": span_id(ID)}
    assert ids_of({"submission_id": ID, "attempt": 2})["span_id"] == span_id(f"{ID}-2")
