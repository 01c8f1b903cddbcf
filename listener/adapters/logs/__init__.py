"""The log: structlog in front, one writer thread behind, redaction between."""

from .library import quiet_libraries, watch_loop
from .log import NotInCatalogue, StructuredLog, looks
from .redaction import Redactor
from .writer import Writer

__all__ = [
    "NotInCatalogue",
    "Redactor",
    "StructuredLog",
    "Writer",
    "looks",
    "quiet_libraries",
    "watch_loop",
]
