"""The log: structlog in front, one writer thread behind, redaction between."""

from .library import quiet_libraries, watch_loop
from .log import StructuredLog
from .redaction import Redactor
from .writer import Writer

__all__ = ["Redactor", "StructuredLog", "Writer", "quiet_libraries", "watch_loop"]
