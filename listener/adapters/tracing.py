"""Traces, for whoever installs the extra ``otel``: one a submission, sent as OTLP over HTTP.

What is told is what the log tells, as it is emitted. Names of traces and spans are made of the
submission's own (``core.tracing``), so that a life that ends, or a collector that is away, leaves
holes and nothing that does not fit. Only this module imports OpenTelemetry.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import Level
from listener.core.tracing import attempt_name, span_id, trace_id

EXPORT_TIMEOUT_S = 10.0
QUEUE = 4_096
"""Spans that wait for the collector; further ones are dropped."""
REMEMBERED = 20_000
"""Attempts whose begin, or number, is remembered until their submission closes."""

_MS = 1_000_000

_OF_END = (
    *("outcome", "attribution", "late", "reason", "retry_of", "enhancement", "analysis"),
    *("evidence", "attempts", "deaf_ms", "duplicates", "cv_ref"),
)
_OF_EVENT = ("seq", "disposition", "replayed", "cv_ref")
_OF_ATTEMPT = ("attempt", "result", "detail", "cv_ref")


@dataclass(slots=True)
class _Last:
    """The last attempt of a submission. ``began_ns`` None: in an earlier life."""

    number: int
    began_ns: int | None


@dataclass(slots=True)
class Tracer:
    """Watches a log (``StructuredLog.watch``), and hands each span that ends to ``finished``."""

    finished: Callable[[ReadableSpan], None]
    resource: Resource
    event_name: str = "cv_updated"
    now_ns: Callable[[], int] = time.time_ns
    _scope: InstrumentationScope = field(
        default_factory=lambda: InstrumentationScope("cv-listener"), init=False
    )
    _last: OrderedDict[str, _Last] = field(default_factory=OrderedDict, init=False)

    def watch(self, event: str, fields: Mapping[str, object]) -> None:
        """One event of the log."""
        name = fields.get("submission_id")
        if not isinstance(name, str):
            return
        match event:
            case "attempt.began":
                self._remember(name, _Last(_whole(fields.get("attempt"), 1), self.now_ns()))
            case "attempt.ended":
                self._attempt_ended(name, fields)
            case "event.correlated":
                self._event(name, fields)
            case "submission.closed" if not fields.get("repeated"):
                self._closed(name, fields)
            case "submission.corrected":
                self._corrected(name, fields)

    def _remember(self, name: str, last: _Last) -> None:
        self._last[name] = last
        self._last.move_to_end(name)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def _attempt_ended(self, name: str, fields: Mapping[str, object]) -> None:
        now, last = self.now_ns(), self._last.get(name)
        number = _whole(fields.get("attempt"), 1)
        began = now - _whole(fields.get("duration_ms"), 0) * _MS
        if last is None or last.number != number:
            self._remember(name, _Last(number, None))
        elif last.began_ns is not None:
            began = last.began_ns
        status = fields.get("http_status")
        told = _told(fields, _OF_ATTEMPT) | {
            "http.request.method": "POST",
            "url.template": "/cv-enhance/{cv_code}/edits",
        }
        if isinstance(status, int):
            told["http.response.status_code"] = status
        failed = fields.get("result") != "accepted"
        if failed:
            told["error.type"] = str(fields.get("detail"))
        self._end(
            "POST /cv-enhance/{cv_code}/edits",
            _context(name, attempt_name(name, number)),
            parent=_context(name, name),
            kind=SpanKind.CLIENT,
            began=began,
            ended=now,
            told=told,
            status=StatusCode.ERROR if failed else StatusCode.UNSET,
        )

    def _event(self, name: str, fields: Mapping[str, object]) -> None:
        now, last = self.now_ns(), self._last.get(name)
        number = 1 if last is None else last.number
        posted = _context(name, attempt_name(name, number))
        self._end(
            f"process {self.event_name}",
            _context(name, f"{name}/event/{fields.get('seq')}/{fields.get('disposition')}"),
            parent=_context(name, name),
            kind=SpanKind.CONSUMER,
            began=now,
            ended=now,
            told=_told(fields, _OF_EVENT)
            | {
                "messaging.system": "socket.io",
                "messaging.destination.name": self.event_name,
                "messaging.operation.type": "process",
            },
            links=(Link(posted),),
        )

    def _closed(self, name: str, fields: Mapping[str, object]) -> None:
        now = self.now_ns()
        self._last.pop(name, None)
        level = CATALOGUE["submission.closed"].level_of(fields)
        status = StatusCode.ERROR if level is Level.ERROR else StatusCode.UNSET
        self._end(
            "cv update",
            _context(name, name),
            began=now - _whole(fields.get("total_ms"), 0) * _MS,
            ended=now,
            told=_told(fields, _OF_END),
            status=StatusCode.OK if fields.get("outcome") == "confirmed" else status,
        )

    def _corrected(self, name: str, fields: Mapping[str, object]) -> None:
        now = self.now_ns()
        version = fields.get("submission_version")
        self._end(
            "correct",
            _context(name, f"{name}/version/{version}"),
            parent=_context(name, name),
            began=now,
            ended=now,
            told=_told(fields, ("outcome_before", *_OF_END)),
        )

    def _end(
        self,
        title: str,
        context: SpanContext,
        *,
        began: int,
        ended: int,
        told: Mapping[str, str | bool | int | list[str]],
        parent: SpanContext | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        status: StatusCode = StatusCode.UNSET,
        links: tuple[Link, ...] = (),
    ) -> None:
        self.finished(
            ReadableSpan(
                name=title,
                context=context,
                parent=parent,
                resource=self.resource,
                attributes=dict(told),
                kind=kind,
                status=Status(status),
                start_time=began,
                end_time=ended,
                links=links,
                instrumentation_scope=self._scope,
            )
        )


class Exporter:
    """Sends spans in a thread of its own; where the collector is away they are dropped, and the
    library's warning stands in the log. What the setting does not say, headers above all, the
    library reads in the variables that OpenTelemetry has for it."""

    def __init__(self, endpoint: str) -> None:
        session = requests.Session()
        session.trust_env = False  # no proxy, and no .netrc, that no setting names
        session.hooks["response"].append(_arrived)
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S, session=session),
            max_queue_size=QUEUE,
        )

    def send(self, span: ReadableSpan) -> None:
        """Queue it."""
        self._processor.on_end(span)

    def close(self) -> None:
        """Send what is queued, for as long as one export takes at most. It blocks."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # theirs has no types


def _arrived(answer: requests.Response, **_: object) -> None:
    """The library follows no redirect, and takes one for a success."""
    if 300 <= answer.status_code < 400:
        answer.close()
        raise requests.RequestException(
            f"expected the collector, found a redirect ({answer.status_code}): set CV_TRACES_URL "
            "to where it leads"
        )


def resource(version: str, replica: str) -> Resource:
    """What every span says of us."""
    return Resource(
        {
            "service.name": "cv-listener",
            "service.version": version,
            "service.instance.id": replica,
        }
    )


def _context(name: str, span: str) -> SpanContext:
    return SpanContext(
        int(trace_id(name), 16),
        int(span_id(span), 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _told(
    fields: Mapping[str, object], names: tuple[str, ...]
) -> dict[str, str | bool | int | list[str]]:
    """Those that are there, under names of our own."""
    found: dict[str, str | bool | int | list[str]] = {}
    for name in names:
        value = fields.get(name)
        if isinstance(value, bool | int):
            found[f"cv_listener.{name}"] = value
        elif isinstance(value, list | tuple):
            found[f"cv_listener.{name}"] = [str(item) for item in value]
        elif value is not None:
            found[f"cv_listener.{name}"] = str(value)
    return found


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
