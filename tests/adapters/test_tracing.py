"""What the log tells becomes one trace a submission."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from listener.adapters import tracing
from listener.adapters.tracing import Tracer, resource
from listener.core.tracing import attempt_name, span_id, trace_id

ID = "0199aaaa-bbbb-7ccc-8ddd-1234567890ab"
S = 10**9


class Told:
    """A log that is watched, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000 * S
        self.spans: list[ReadableSpan] = []
        self.tracer = Tracer(self.spans.append, resource("1.2.3", "here"), now_ns=lambda: self.now)

    def at(self, seconds: float, event: str, **fields: object) -> None:
        self.now = 1_000 * S + round(seconds * S)
        self.tracer.watch(event, {"submission_id": ID, "cv_ref": "cv_4be1", **fields})


@pytest.fixture
def told() -> Told:
    return Told()


def span(told: Told, name: str) -> ReadableSpan:
    (found,) = [one for one in told.spans if one.name == name]
    return found


def ids(found: ReadableSpan) -> tuple[str, str]:
    assert found.context is not None
    return f"{found.context.trace_id:032x}", f"{found.context.span_id:016x}"


def test_a_confirmed_update_is_its_post_and_its_event_linked_to_it(told: Told) -> None:
    told.at(1, "attempt.began", attempt=1)
    told.at(3, "attempt.ended", attempt=1, result="accepted", detail="accepted", http_status=200)
    told.at(4, "event.correlated", seq=7, disposition="confirmed", replayed=False)
    told.at(4, "submission.closed", outcome="confirmed", total_ms=3_500, evidence=["event"])
    post, event = span(told, "POST /cv-enhance/{cv_code}/edits"), span(told, "process cv_updated")
    root = span(told, "cv update")

    assert ids(root) == (trace_id(ID), span_id(ID))
    assert ids(post) == (trace_id(ID), span_id(attempt_name(ID, 1)))
    for child in (post, event):
        assert child.parent is not None
        assert f"{child.parent.span_id:016x}" == span_id(ID)
    assert [link.context for link in event.links] == [post.context]

    assert (post.kind, event.kind) == (SpanKind.CLIENT, SpanKind.CONSUMER)
    assert (post.start_time, post.end_time) == (1_001 * S, 1_003 * S)
    assert (root.start_time, root.end_time) == (round(1_000.5 * S), 1_004 * S)
    assert root.status.status_code is StatusCode.OK
    assert dict(root.attributes or {}) == {
        "cv_listener.outcome": "confirmed",
        "cv_listener.evidence": ["event"],
        "cv_listener.cv_ref": "cv_4be1",
    }
    assert (post.attributes or {})["http.response.status_code"] == 200


def test_what_failed_says_so_and_a_second_attempt_is_a_span_of_its_own(told: Told) -> None:
    told.at(1, "attempt.began", attempt=1)
    told.at(2, "attempt.ended", attempt=1, result="possibly_sent", detail="read_timeout")
    told.at(5, "attempt.began", attempt=2)
    told.at(6, "attempt.ended", attempt=2, result="accepted", detail="accepted")
    told.at(9, "event.correlated", seq=1, disposition="confirmed")
    told.at(40, "submission.closed", outcome="unconfirmed", total_ms=40_000)
    first, second, event, root = told.spans
    assert (first.attributes or {})["error.type"] == "read_timeout"
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    assert [link.context for link in event.links] == [second.context] != [first.context]
    assert root.status.status_code is StatusCode.ERROR


def test_an_attempt_that_began_in_an_earlier_life_is_as_long_as_it_says(told: Told) -> None:
    told.at(10, "attempt.ended", attempt=3, result="refused", detail="not_found", duration_ms=400)
    told.at(11, "event.correlated", seq=1, disposition="late")
    post, event = told.spans
    assert (post.start_time, post.end_time) == (round(1_009.6 * S), 1_010 * S)
    assert [link.context for link in event.links] == [post.context]


def test_a_line_that_is_told_again_is_no_second_span_and_a_correction_is_one(told: Told) -> None:
    told.at(1, "submission.closed", outcome="unconfirmed", total_ms=1)
    told.at(2, "submission.closed", outcome="unconfirmed", total_ms=1, repeated=True)
    told.at(3, "submission.corrected", outcome="confirmed", outcome_before="unconfirmed")
    root, correction = told.spans
    assert correction.name == "correct"
    assert correction.parent == root.context


def test_what_is_remembered_has_a_bound_and_what_is_no_submission_s_is_none(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "REMEMBERED", 3)
    for number in range(10):
        name = f"{ID[:-1]}{number}"
        told.tracer.watch("attempt.began", {"submission_id": name, "attempt": 1})
    told.tracer.watch("daemon.heartbeat", {"connected": True})
    assert len(told.tracer._last) == 3
    assert told.spans == []


class Moved(BaseHTTPRequestHandler):
    """A collector that is elsewhere."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307)
        self.send_header("Location", "https://collector.example/v1/traces")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_collector_that_redirects_has_not_got_them_and_that_is_told(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.at(1, "submission.closed", outcome="confirmed", total_ms=1)
    with HTTPServer(("127.0.0.1", 0), Moved) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        exporter = tracing.Exporter(f"http://127.0.0.1:{server.server_port}/v1/traces")
        exporter.send(told.spans[0])
        exporter.close()
        serving.join()
    assert "found a redirect (307): set CV_TRACES_URL" in caplog.text
    assert "collector.example" not in caplog.text
