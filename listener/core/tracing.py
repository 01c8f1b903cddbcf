"""Names of traces and spans, made of a submission's own: the same in every run, in every line, and
in what the upstream is sent. One submission is one trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def trace_id(name: str) -> str:
    """32 hex digits. A submission's id without its hyphens; so for a request's id that begins with
    it. Of any other name, a digest."""
    found = _UUID.match(name)
    if found is not None:
        return found[0].replace("-", "")
    return sha256(name.encode()).hexdigest()[:32]


def span_id(name: str) -> str:
    """16 hex digits: of a submission's id, its own span; of a request's id, that request's."""
    return sha256(name.encode()).hexdigest()[:16]


def attempt_name(submission_id: str, attempt: int) -> str:
    """The id of an attempt's request: what the upstream sees as ``X-Request-Id``."""
    return f"{submission_id}-{attempt}"


def traceparent(request_id: str) -> str:
    """As W3C's Trace Context has it, sampled: the request's span, in its submission's trace."""
    return f"00-{trace_id(request_id)}-{span_id(request_id)}-01"


def ids_of(fields: Mapping[str, object]) -> Mapping[str, str]:
    """``trace_id`` and ``span_id`` of a line of the log: its attempt's span, or else its
    submission's; nothing where it has none."""
    name, attempt = fields.get("submission_id"), fields.get("attempt")
    if not isinstance(name, str):
        return {}
    span = attempt_name(name, attempt) if isinstance(attempt, int) else name
    return {"trace_id": trace_id(name), "span_id": span_id(span)}
