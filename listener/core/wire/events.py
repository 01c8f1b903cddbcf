"""The body of a ``cv_updated`` event. Upstream documents no more than ``cv_code``, so any subset of
the known fields is taken, and anything at all may be found instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from listener.core.errors import InvalidCode
from listener.core.names import CvCode

from .codes import check_code
from .echoes import repeats

KNOWN_FIELDS = ("cv_id", "application_id", "status", "cv_enhance_status", "cv_updated")
MAX_FIELD_CHARACTERS = 256
"""Of one value as JSON: five such fields stay under 2 KiB. A longer value is left out."""

MOST = 2**64


@dataclass(frozen=True, slots=True)
class EventBody:
    """What one event said. Exactly one of ``code`` and ``problem`` is None.

    ``problem`` is a stable slug: ``no_body``, ``not_an_object``, ``no_code``, ``code_not_text``,
    ``two_codes`` (the wrapping object and the wrapped name different ones), ``bad_code``.
    ``payload`` is ASCII JSON, an object of at most 2 KiB: the known scalar fields, and never the
    code, a name or the CV's data.
    """

    code: CvCode | None = field(repr=False)
    problem: str | None
    payload: str


def read_event(args: Sequence[object]) -> EventBody:
    """Read the arguments of one event, as the Socket.IO library decoded them. Never raises.

    The first argument counts; servers with connection state recovery append an offset.
    """
    if not args:
        return EventBody(None, "no_body", "{}")
    body = args[0]
    if not isinstance(body, dict):
        return EventBody(None, "not_an_object", "{}")
    layers = [body]
    if isinstance(wrapped := body.get("data"), dict):
        layers.append(wrapped)
    found = [_text_of(layer["cv_code"]) for layer in layers if layer.get("cv_code") is not None]
    # What has no value of its own is left empty by some serializers.
    found = [text for text in found if text != ""] or found
    code, problem = _read_code(found)
    return EventBody(code, problem, _known_fields(layers, found))


def _text_of(value: object) -> object:
    """A code of digits alone may have become a number on the way. Beyond 64 bits its digits are not
    the code's any more: most readers of JSON round them."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST:
        return str(value)
    return value


def _read_code(found: list[object]) -> tuple[CvCode | None, str | None]:
    if not found:
        return None, "no_code"
    if not all(isinstance(value, str) for value in found):
        return None, "code_not_text"
    if len(set(found)) > 1:
        return None, "two_codes"
    try:
        return check_code(found[0]), None
    except InvalidCode:
        return None, "bad_code"


def _known_fields(layers: list[dict[object, object]], codes: list[object]) -> str:
    kept: dict[str, object] = {}
    for name in KNOWN_FIELDS:
        for layer in layers:
            value = layer.get(name)
            if _keepable(value, codes):
                kept[name] = value
                break
    return json.dumps(kept, separators=(",", ":"))


def _keepable(value: object, codes: list[object]) -> bool:
    if isinstance(value, str):
        if any(isinstance(code, str) and repeats(value, code) for code in codes):
            return False
        return len(value) < MAX_FIELD_CHARACTERS and len(json.dumps(value)) <= MAX_FIELD_CHARACTERS
    if not isinstance(value, int) or abs(value) >= 2**63:
        return False
    if isinstance(value, bool):
        return True
    return not any(isinstance(code, str) and repeats(str(value), code) for code in codes)
