"""What libraries log, and what fails where nobody waits: through the same door, redacted."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from typing import Any

from .log import StructuredLog

SILENT = ("socketio", "engineio", "socketio.client", "engineio.client")
"""These print payloads, and payloads hold codes: nothing below ERROR of them is passed on."""


class _Bridge(logging.Handler):
    """From the standard library's logging to the catalogue's ``library.warned``."""

    def __init__(self, log: StructuredLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self._log.redactor.clean(record.getMessage())
        except Exception as wrong:  # noqa: BLE001  # a library's own format string may be wrong
            message = f"unreadable message ({type(wrong).__name__})"
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._log.fault("library.warned", error, library=record.name, message=message)
        else:
            self._log.emit("library.warned", library=record.name, message=message)


def quiet_libraries(log: StructuredLog) -> None:
    """Replace the root logger's handlers by the bridge, and silence the talkative. Once a
    process."""
    root = logging.getLogger()
    root.handlers = [_Bridge(log)]
    root.setLevel(logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    sys.excepthook = lambda kind, error, trace: log.fault(
        "loop.error", error or kind(), message="uncaught"
    )
    threading.excepthook = lambda given: log.fault(
        "loop.error",
        given.exc_value or RuntimeError("no exception given"),
        message="uncaught in a thread",
    )


def watch_loop(loop: asyncio.AbstractEventLoop, log: StructuredLog) -> None:
    """Turn what asyncio would print into ``loop.error`` lines."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = log.redactor.clean(str(context.get("message", "")))
        error = context.get("exception")
        if isinstance(error, BaseException):
            log.fault("loop.error", error, message=message)
        else:
            log.emit("loop.error", message=message)

    loop.set_exception_handler(handle)
