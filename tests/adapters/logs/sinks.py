"""Where tests let the log write to, and what was written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from listener.adapters.logs import Redactor, StructuredLog, Writer, quiet_libraries
from listener.core.event_spec import Level

BOUND_S = 30.0


class Written:
    """A log that writes to memory."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.writer = Writer(self.stream)
        options = {"least": Level.DEBUG, "strict": True, **options}
        self.log = StructuredLog(
            self.writer,
            Redactor(),
            ref_key=b"the install's key",
            run_id="0a1b2c3d",
            version="1.2.3",
            replica="here",
            **options,
        )

    @property
    def text(self) -> str:
        assert self.writer.flush(BOUND_S)
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def written(**options: Any) -> Iterator[Written]:
    """Closed at the end."""
    sink = Written(**options)
    try:
        yield sink
    finally:
        sink.writer.close(BOUND_S)


@contextmanager
def libraries(**options: Any) -> Iterator[Written]:
    """A log that hears what libraries log; undone at the end."""
    with written(**options) as sink:
        undo = quiet_libraries(sink.log)
        try:
            yield sink
        finally:
            undo()
            assert logging.getLogger().handlers != []
