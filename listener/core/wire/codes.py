"""A ``cv_code``: what is accepted as one, how it stands in a URL, and what stands for it in logs.

A code may hold any printable character, so in a URL all but RFC 3986's unreserved characters are
percent-encoded, a ``/`` too: a code is always one segment of the path.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from urllib.parse import quote

from listener.core.errors import InvalidCode
from listener.core.names import CvCode

MAX_CODE_BYTES = 256
"""Of UTF-8, before percent-encoding."""
MAX_TEXT_BYTES = 4096
"""Of what is read as a code from a file or a field: room for any, and enough to say of another how
much too long it is. Whoever reads one reads so much and a byte more, and never the whole."""


def check_code(text: object) -> CvCode:
    """The same text, now known to be sendable. Nothing is stripped or normalised.

    Raises InvalidCode with one of the reasons ``not_text``, ``empty``, ``dots``, ``surrogate``,
    ``control_character``, ``too_long``. The message tells the reason and never shows the code.
    """
    if not isinstance(text, str):
        raise InvalidCode("not_text", "expected cv_code to be text, found something else")
    if not text:
        raise InvalidCode("empty", "expected a cv_code, found an empty text")
    if text in (".", ".."):
        raise InvalidCode(
            "dots", "expected a cv_code, found only dots, which a URL's path cannot carry"
        )
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise InvalidCode(
                "surrogate",
                "expected cv_code to be valid Unicode, found half of a surrogate pair:"
                " decode it as UTF-8",
            )
        if category == "Cc":
            raise InvalidCode(
                "control_character",
                "expected cv_code to hold printable characters alone, found a control character:"
                " look for a line break, tab or NUL in it",
            )
    size = len(text.encode())
    if size > MAX_CODE_BYTES:
        raise InvalidCode(
            "too_long", f"expected a cv_code of at most {MAX_CODE_BYTES} bytes, found {size}"
        )
    return CvCode(text)


def code_in(content: bytes) -> CvCode:
    """The code that a text holds. Raises InvalidCode, as ``check_code`` does."""
    return check_code(text_in(content))


def text_in(content: bytes) -> str:
    """A text that should be a code, not yet checked: all of it, save one line break at its end,
    which no code has and editors add. Raises InvalidCode where it is too long, or no text."""
    if len(content) > MAX_TEXT_BYTES:
        raise InvalidCode("too_long", f"expected a cv_code, found more than {MAX_TEXT_BYTES} bytes")
    try:
        return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        found = InvalidCode("not_text", "expected the cv_code in UTF-8, found other bytes")
    # Outside the handler: the decoding's error holds the bytes.
    raise found


def encode_code(code: CvCode) -> str:
    """As one segment of a path: all but ``A-Z a-z 0-9 - . _ ~`` encoded, in upper case hex."""
    return quote(code, safe="")


def record_url(base: str, code: CvCode) -> str:
    """Where the record is read. ``base`` may end in a slash or not."""
    return f"{base.rstrip('/')}/{encode_code(code)}"


def edits_url(base: str, code: CvCode) -> str:
    """Where an update is posted. ``base`` may end in a slash or not."""
    return f"{record_url(base, code)}/edits"


def cv_ref(key: bytes, code: CvCode) -> str:
    """What stands for a code in logs: ``cv_`` and 12 hex digits of HMAC-SHA256 under the
    installation's key, so that equal codes can be told without being known."""
    return "cv_" + hmac.new(key, code.encode(), hashlib.sha256).hexdigest()[:12]
