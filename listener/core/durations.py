"""Times, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

_DAY_MS = 86_400_000


def lasting(ms: int) -> str:
    """``0 s``, ``0.27 s``, ``4.1 s``, ``41 s``, ``3 min 05 s``, ``2 h 05 min``, ``3 d 4 h``."""
    seconds = ms // 1_000
    if ms <= 0:
        return "0 s"
    if ms < 1_000:
        return f"{max(ms, 10) / 1_000:.2f} s"
    if ms < 10_000:
        return f"{ms // 100 / 10:.1f} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if ms < _DAY_MS:
        return f"{seconds // 3_600} h {seconds // 60 % 60:02} min"
    return f"{seconds // 86_400} d {seconds // 3_600 % 24} h"


def clock(at_ms: int, now_ms: int) -> str:
    """``12:00:30 UTC``; with its date where that is half a day away or more."""
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    near = abs(at_ms - now_ms) < _DAY_MS // 2
    return moment.strftime("%H:%M:%S UTC" if near else "%Y-%m-%d %H:%M:%S UTC")


def since(at_ms: int, now_ms: int) -> str:
    """``for 12 s (since 12:00:30 UTC)``."""
    return f"for {lasting(now_ms - at_ms)} (since {clock(at_ms, now_ms)})"


def when(at_ms: int, now_ms: int) -> str:
    """``at 12:00:30 UTC (in 17 s)``, ``(41 s ago)`` where it is past, ``now`` about now."""
    if abs(at_ms - now_ms) < 500:
        return "now"
    if at_ms > now_ms:
        return f"at {clock(at_ms, now_ms)} (in {lasting(at_ms - now_ms)})"
    return f"at {clock(at_ms, now_ms)} ({lasting(now_ms - at_ms)} ago)"
