"""What libraries log, and what fails where nobody waits: through the same door, redacted."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from .log import StructuredLog

TALKATIVE = ("socketio", "engineio")
"""These print payloads, and payloads hold codes: of them the form of a message alone is shown."""
SOME = 10
"""Lines of one place in a library's source within a minute; beyond them they are counted."""
A_WHILE_S = 60.0
PLACES = 500


class _Bridge(logging.Handler):
    """From the standard library's logging to the catalogue's ``library.warned``."""

    def __init__(self, log: StructuredLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._places: dict[tuple[str, str, int], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a library that logs must not fail by it."""
        try:
            held_back = self._held_back(record)
            if held_back is None:
                return
            fields = {"library": record.name, "message": self._message(record)}
            suppressed = held_back or None
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                self._log.fault("library.warned", error, suppressed=suppressed, **fields)
            else:
                self._log.emit("library.warned", suppressed=suppressed, **fields)
        except RecursionError:
            raise
        except Exception as wrong:  # noqa: BLE001 - a record can be wrong in any way
            kind = type(wrong).__name__
            self._log.emit("library.warned", library=record.name, message=f"unreadable: {kind}")

    def _message(self, record: logging.LogRecord) -> str:
        if record.name.split(".")[0] in TALKATIVE:
            text = str(record.msg).replace("%s", "…").replace("%r", "…")
        else:
            text = record.getMessage()
        return self._log.redactor.clean_foreign(text)

    def _held_back(self, record: logging.LogRecord) -> int | None:
        """None: this one is too many. Else how many were, since the last that was told."""
        place = (record.name, record.pathname, record.lineno)
        now = time.monotonic()
        begun, count = self._places.get(place, (now, 0))
        told = 0
        if now - begun > A_WHILE_S:
            told, begun, count = max(0, count - SOME), now, 0
        if len(self._places) >= PLACES:
            self._places.clear()
        self._places[place] = (begun, count + 1)
        return None if count >= SOME else told


def quiet_libraries(log: StructuredLog) -> Callable[[], None]:
    """Replace the root logger's handlers by the bridge, and whatever prints an uncaught exception.

    Once a process. Returns what undoes it.
    """
    root = logging.getLogger()
    before = (root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    talkative = {name: logging.getLogger(name).level for name in TALKATIVE}
    root.handlers = [_Bridge(log)]
    root.setLevel(logging.WARNING)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    if not sys.warnoptions:
        warnings.simplefilter("default")

    def uncaught(kind: type[BaseException], error: BaseException | None, _: object = None) -> None:
        log.fault("loop.failed", error or kind(), message="uncaught")
        # Nothing follows it: the process ends.
        log.flush()

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_type is not SystemExit:
            log.fault("loop.failed", given.exc_value or given.exc_type(), message="a thread ended")

    def unraisable(given: sys.UnraisableHookArgs) -> None:
        error = given.exc_value or given.exc_type()
        log.fault("loop.failed", error, message="raised where nothing can be raised")

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable

    def undo() -> None:
        logging.captureWarnings(False)
        root.handlers, level, sys.excepthook, threading.excepthook, sys.unraisablehook = before
        root.setLevel(level)
        for name, was in talkative.items():
            logging.getLogger(name).setLevel(was)

    return undo


def watch_loop(loop: asyncio.AbstractEventLoop, log: StructuredLog) -> None:
    """Turn what asyncio would print into ``loop.failed`` lines."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # The context's futures and handles are not shown: their reprs hold results and arguments.
        message = log.redactor.clean_foreign(str(context.get("message", "")))
        error = context.get("exception")
        if isinstance(error, BaseException):
            log.fault("loop.failed", error, message=message)
        else:
            log.emit("loop.failed", message=message)

    loop.set_exception_handler(handle)
