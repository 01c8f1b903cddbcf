"""What goes over the wire, and what is read from it: pure functions, shared by the daemon's HTTP
adapter, by ``CVService``, by intake and by the ear. Import from here, not from the rooms below."""

from .codes import (
    MAX_CODE_BYTES,
    MAX_TEXT_BYTES,
    check_code,
    code_in,
    cv_ref,
    edits_url,
    encode_code,
    record_url,
    text_in,
)
from .events import EventBody, read_event
from .multipart import MAX_NAME_BYTES, MultipartFrame, frame, sanitise_filename
from .overheard import is_of_the_transport, overheard
from .passing import end_to_end
from .replies import (
    read_object,
    read_post,
    read_record,
    retry_after_ms,
    says_error,
    tells_of_another,
)
from .requests import longest_upload_s, request_headers
from .sniff import sniff

__all__ = [
    "MAX_CODE_BYTES",
    "MAX_NAME_BYTES",
    "MAX_TEXT_BYTES",
    "EventBody",
    "MultipartFrame",
    "check_code",
    "code_in",
    "cv_ref",
    "edits_url",
    "encode_code",
    "end_to_end",
    "frame",
    "is_of_the_transport",
    "longest_upload_s",
    "overheard",
    "read_event",
    "read_object",
    "read_post",
    "read_record",
    "record_url",
    "request_headers",
    "retry_after_ms",
    "sanitise_filename",
    "says_error",
    "sniff",
    "tells_of_another",
    "text_in",
]
