"""What goes over the wire, and what is read from it: pure functions, shared by the daemon's HTTP
adapter, by ``CVService``, by intake and by the ear. Import from here, not from the rooms below."""

from .codes import MAX_CODE_BYTES, check_code, cv_ref, edits_url, encode_code, record_url
from .events import EventBody, read_event

__all__ = [
    "MAX_CODE_BYTES",
    "EventBody",
    "check_code",
    "cv_ref",
    "edits_url",
    "encode_code",
    "read_event",
    "record_url",
]
