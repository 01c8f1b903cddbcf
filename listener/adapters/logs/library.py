"""What libraries log, and what fails where nobody waits: through the same door, redacted."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Hashable
from typing import Any

from .flood import Flood
from .log import StructuredLog

TALKATIVE = ("socketio", "engineio")
"""These print payloads, and payloads hold codes: of them the form of a message alone is shown."""
SELF_MADE = tuple(f"{name}.{side}" for name in TALKATIVE for side in ("client", "server"))
"""Where nobody set a level, the library adds a handler of its own to these, which prints to stderr
whatever it says, payloads and all."""


class _Bridge(logging.Handler):
    """From the standard library's logging to the catalogue's ``library.warned``."""

    def __init__(self, log: StructuredLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._flood = Flood(log.suppress)

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a library that logs must not fail by it."""
        try:
            held_back = self._flood.held_back(_place(record))
            if held_back is None:
                return
            fields = {"library": record.name, "message": self._message(record)}
            suppressed = held_back or None
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                self._log.fault("library.warned", error, suppressed=suppressed, **fields)
            else:
                self._log.emit("library.warned", suppressed=suppressed, **fields)
        except Exception as wrong:  # noqa: BLE001 - a record can be wrong in any way
            kind = type(wrong).__name__
            self._log.emit("library.warned", library=record.name, message=f"unreadable: {kind}")

    def _message(self, record: logging.LogRecord) -> str:
        if record.name.split(".")[0] in TALKATIVE:
            text = str(record.msg).replace("%s", "…").replace("%r", "…")
        else:
            text = record.getMessage()
        return self._log.redactor.clean_foreign(text)


def _place(record: logging.LogRecord) -> Hashable:
    if record.name == "py.warnings":
        # All are logged from one place; where they were given stands before the first space.
        return record.getMessage().partition(" ")[0][:200]
    return (record.name, record.pathname, record.lineno)


def quiet_libraries(log: StructuredLog) -> Callable[[], None]:
    """Replace the root logger's handlers by the bridge, and whatever prints an uncaught exception.

    Once a process. Returns what undoes it.
    """
    root = logging.getLogger()
    before = (root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    filters = list(warnings.filters)
    talkative = [logging.getLogger(name) for name in (*TALKATIVE, *SELF_MADE)]
    as_they_were = [(one, one.level, one.handlers) for one in talkative]
    root.handlers = [_Bridge(log)]
    root.setLevel(logging.WARNING)
    for one in talkative:
        one.setLevel(logging.WARNING)
        one.handlers = []
    logging.captureWarnings(True)
    if not sys.warnoptions:
        warnings.simplefilter("default")
    sys.excepthook, threading.excepthook, sys.unraisablehook = _hooks(log)

    def undo() -> None:
        logging.captureWarnings(False)
        warnings.filters[:] = filters  # type: ignore[index]  # typeshed: a Sequence; it is a list
        root.handlers, level, sys.excepthook, threading.excepthook, sys.unraisablehook = before
        root.setLevel(level)
        for one, was, handlers in as_they_were:
            one.setLevel(was)
            one.handlers = handlers

    return undo


def _hooks(log: StructuredLog) -> tuple[Any, Any, Any]:
    """For what nobody catches, what ends a thread, and what cannot be raised."""

    def uncaught(kind: type[BaseException], error: BaseException | None, _: object = None) -> None:
        log.fault("loop.failed", error or kind(), message="uncaught")
        # Nothing follows it: the process ends.
        log.flush()

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_type is not SystemExit:
            log.fault("loop.failed", given.exc_value or given.exc_type(), message="a thread ended")

    flood = Flood(log.suppress)

    def unraisable(given: sys.UnraisableHookArgs) -> None:
        suppressed = flood.held_back(given.exc_type.__name__)
        if suppressed is not None:
            error = given.exc_value or given.exc_type()
            message = "raised where nothing can be raised"
            log.fault("loop.failed", error, message=message, suppressed=suppressed or None)

    return uncaught, in_thread, unraisable


def watch_loop(loop: asyncio.AbstractEventLoop, log: StructuredLog) -> None:
    """Turn what asyncio would print into ``loop.failed`` lines."""
    flood = Flood(log.suppress)

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # The context's futures and handles are not shown: their reprs hold results and arguments.
        said = str(context.get("message", ""))
        error = context.get("exception")
        suppressed = flood.held_back((said[:200], type(error).__name__))
        if suppressed is None:
            return
        message = log.redactor.clean_foreign(said)
        if isinstance(error, BaseException):
            log.fault("loop.failed", error, message=message, suppressed=suppressed or None)
        else:
            log.emit("loop.failed", message=message, suppressed=suppressed or None)

    loop.set_exception_handler(handle)
