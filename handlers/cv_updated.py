"""What to make of a ``cv_updated`` event."""

from __future__ import annotations

from collections.abc import Sequence

from listener.core.wire import EventBody, read_event

EVENT = "cv_updated"
"""The event's name, as the upstream spells it."""


def read(args: Sequence[object]) -> EventBody:
    """The code and the known fields of one event's arguments, or what is wrong with them.

    The payload is an object with ``cv_code`` and any subset of the record's and the reply's fields,
    perhaps wrapped in ``data``. Never raises, whatever was sent.
    """
    return read_event(args)
