"""What a scripted upstream can do with one request, by name: the emulator's faults, and more.

A name, or several joined by ``+`` (``"reset_after+two_events"``: each adds what it changes), stands
for a ``Script``, which is the emulator's ``Plan`` with some fields of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from listener.emulator.plan import FAULTS, Plan


@dataclass(frozen=True, slots=True)
class Script(Plan):
    """``connect``: ``ok`` · ``refused`` · ``timeout``. ``says``: of a success, ``all`` the fields
    or ``none`` of them. ``reply_late``, ``apply_late``, ``event_late``: drawn from the wide range
    of the upstream's pace. With ``read_body`` False the connection breaks in the middle of the
    body, or the answer comes before its end."""

    connect: str = "ok"
    says: str = "all"
    reply_late: bool = False
    apply_late: bool = False
    event_late: bool = False


def _ours(**changes: Any) -> Script:
    return Script(**changes)


_NEVER: dict[str, Any] = {"apply": "never"}

SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        **{
            name: Script(**{field.name: getattr(plan, field.name) for field in fields(Plan)})
            for name, plan in FAULTS.items()
        },
        "ok": _ours(),
        "created": _ours(status=201),
        "bare_reply": _ours(says="none"),
        # Not sent.
        "not_sent": _ours(connect="refused", **_NEVER),
        "connect_timeout": _ours(connect="timeout", **_NEVER),
        "body_cut": _ours(answer="reset", read_body=False, **_NEVER),
        # Throttled.
        "throttled_bare": _ours(answer="throttled", **_NEVER),
        "throttled_5s": _ours(answer="throttled", retry_after_s=5, **_NEVER),
        "throttled_40s": _ours(answer="throttled", retry_after_s=40, **_NEVER),
        "throttled_date": _ours(
            answer="throttled", retry_after_s=5, retry_after_form="date", **_NEVER
        ),
        "throttled_long": _ours(answer="throttled", retry_after_s=3_600, **_NEVER),
        # Refused.
        "refused": _ours(answer="not_found", **_NEVER),
        "unprocessable": _ours(answer="error", status=422, **_NEVER),
        "early_413": _ours(answer="error", status=413, read_body=False, **_NEVER),
        "refused_applied": _ours(answer="error", status=422),
        "status_error_applied": _ours(answer="status_error"),
        # Possibly sent.
        "timed_out": _ours(answer="error", status=408, **_NEVER),
        "timed_out_applied": _ours(answer="error", status=408),
        "gateway_timeout": _ours(answer="error", status=504, **_NEVER),
        "gateway_timeout_applied": _ours(answer="error", status=504),
        "unavailable_bare": _ours(answer="unavailable", **_NEVER),
        "unavailable_3s": _ours(answer="unavailable", retry_after_s=3, **_NEVER),
        "unavailable_applied": _ours(answer="unavailable", retry_after_s=3),
        "unreadable_unapplied": _ours(answer="unreadable", **_NEVER),
        "lost_reply_applied": _ours(answer="reset", reply_late=True),
        "lost_reply_unapplied": _ours(answer="reset", reply_late=True, **_NEVER),
        "applied_late": _ours(answer="reset", apply="after", apply_late=True),
        "hang_applied_late": _ours(answer="hang", apply="after", apply_late=True),
        # Events: to be joined to others.
        "silent": _ours(events=0),
        "twice": _ours(events=2),
        "slow_event": _ours(event_late=True),
        "early_event": _ours(event_first=True, reply_late=True),
        "malformed_event": _ours(payload="hostile"),
        "wrapped_event": _ours(payload="wrapped"),
        "full_event": _ours(payload="full"),
        "minimal_event": _ours(payload="minimal"),
        # Readings.
        "get_ok": _ours(on="get"),
        "get_slow": _ours(on="get", answer="slow", slow_ms=5_000),
        "get_endless": _ours(on="get", answer="slow", slow_ms=30_000),
        "get_truncated": _ours(on="get", answer="truncated"),
        "get_status_error": _ours(on="get", answer="status_error"),
        "get_refused": _ours(on="get", connect="refused"),
        "get_without_status": _ours(on="get", omit=("status", "cv_enhance_status")),
    }
)
"""Every name. ``…_applied``: although it was applied."""

_PLAIN = Script()


@cache
def named(names: str) -> Script:
    """The script of a name, or of several joined by ``+``: later ones win. Raises KeyError."""
    script = _PLAIN
    for name in names.split("+"):
        found = SCRIPTS[name]
        changes: dict[str, Any] = {
            field.name: getattr(found, field.name)
            for field in fields(Script)
            if getattr(found, field.name) != getattr(_PLAIN, field.name)
        }
        script = replace(script, **changes)
    return replace(script, name=names)
