"""Moments in words, UTC."""

from __future__ import annotations

from listener.plots import moment


def day_clock(at_ms: int) -> str:
    """``2026-01-31 12:00:00``."""
    return f"{moment(at_ms):%Y-%m-%d %H:%M:%S}"


def short(at_ms: int) -> str:
    """``01-31 12:00:00``."""
    return f"{moment(at_ms):%m-%d %H:%M:%S}"


def clock(at_ms: int, other_ms: int) -> str:
    """As short as it goes beside another moment: without the day, where that is the same."""
    one, other = moment(at_ms), moment(other_ms)
    return f"{one:%H:%M:%S}" if one.date() == other.date() else f"{one:%m-%d %H:%M}"


def span_of(start_ms: int, end_ms: int) -> str:
    """From one to the other; the day once, where it is the same."""
    start, end = moment(start_ms), moment(end_ms)
    last = f"{end:%H:%M:%S}" if start.date() == end.date() else day_clock(end_ms)
    return f"{day_clock(start_ms)} to {last}"
