"""The log, as the service sees it: named events with fields, never free text."""

from __future__ import annotations

from typing import Protocol

from listener.core.names import CvCode


class Log(Protocol):
    """Never blocks, never raises. The level comes from the catalogue, by the event's name."""

    def emit(self, event: str, /, **fields: object) -> None:
        """Write one event of the catalogue. ``None`` fields are left out. An event or field that
        the catalogue does not have is an error in tests and a warning field in production."""
        ...

    def ref(self, code: CvCode) -> str:
        """The ``cv_ref`` that stands for a code everywhere."""
        ...
