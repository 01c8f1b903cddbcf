"""Plots as SVG text: pure functions on numbers, for any page that shows them.

A page that shows plots has ``STYLE`` in its style sheet: the one palette, for light and dark. No
plot needs a script, an external file or a ``style`` attribute, so that a strict
Content-Security-Policy holds. Texts keep their size on a narrow screen: lengths along the x axis
are shares of the width. Each is under 15 KB, whatever it is given, and tells a screen reader what
it shows by its title and description.
"""

from .bars import Bar, bars
from .figure import Words, escaped, harmless
from .histogram import Bin, Mark, histogram
from .palette import STYLE, Tone, tone_of
from .scales import brief, duration, log_edges, moment, number, round_edges, time_ticks
from .series import Track, series
from .timeline import Row, Span, timeline

__all__ = [
    "STYLE",
    "Bar",
    "Bin",
    "Mark",
    "Row",
    "Span",
    "Tone",
    "Track",
    "Words",
    "bars",
    "brief",
    "duration",
    "escaped",
    "harmless",
    "histogram",
    "log_edges",
    "moment",
    "number",
    "round_edges",
    "series",
    "time_ticks",
    "timeline",
    "tone_of",
]
