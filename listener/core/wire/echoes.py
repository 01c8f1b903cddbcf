"""The ``cv_code`` where the upstream repeats it: in its own field, and where it does not belong."""

from __future__ import annotations

import base64
import unicodedata
from urllib.parse import quote, unquote

SHORTEST_SECRET = 4
"""Characters. A shorter code is found by chance in other words, and by trying."""


def names_another(found: object, code: str) -> bool:
    """Whether a reply's ``cv_code`` is somebody else's. One that is no text, or empty, says
    nothing; one that is percent-encoded, as it stood in the URL, or in another of Unicode's normal
    forms, is ours. Large and small letters are not the same."""
    if not isinstance(found, str) or not found:
        return False
    ours = _normal(code)
    return _normal(found) != ours and _normal(unquote(found)) != ours


def repeats(text: str, code: str) -> bool:
    """Whether a field that may be shown holds the code: as it is, or by percent, hex or base64, in
    large letters or small. A code under ``SHORTEST_SECRET`` only where it is the whole field."""
    seen = text.casefold()
    if len(code) < SHORTEST_SECRET:
        return seen == code.casefold()
    return any(form.casefold() in seen for form in _spellings(code))


def _spellings(code: str) -> tuple[str, ...]:
    raw = code.encode("utf-8", "surrogatepass")
    return (
        code,
        quote(raw, safe=""),
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    )


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
