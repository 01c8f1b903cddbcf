"""What the headers of a form's part say, as widely as clients write them.

Every pattern here is linear: none gives back what it took. A part's headers are anybody's bytes,
and reading them holds up the loop. No message ever shows them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - RFC 9110's word, not a secret
_NAME = re.compile(_TOKEN)
_FOLD = re.compile(r"\r\n[ \t]")
_BETWEEN = re.compile(r"[ \t;]*+")
_PARAMETER = re.compile(
    rf'({_TOKEN})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"[ \t]*+|([^";]*+))(?:;|\Z)', re.DOTALL
)
_ESCAPED = re.compile(r'\\(["\\])')
_PLAIN_ENCODINGS = {"7bit", "8bit", "binary"}
_ONCE = ("content-disposition", "content-transfer-encoding")
"""Where there were two, readers would differ in which of them counts."""


class FormMalformed(Exception):
    """The sender's fault: not a form, or cut short. The message never holds what was sent."""


@dataclass(frozen=True, slots=True)
class PartHead:
    """``name`` empty: the part says none. ``encoded``: its bytes are not what they stand for."""

    name: str = field(repr=False)
    filename: str | None = field(repr=False)
    encoded: bool


def read_head(block: bytes) -> PartHead:
    """The headers of one part, each line begun by CR LF. Raises FormMalformed."""
    headers = _headers(block)
    encoding = headers.get("content-transfer-encoding", "binary").strip().lower()
    name, filename = _disposition(headers.get("content-disposition", ""))
    return PartHead(name, filename, encoding not in _PLAIN_ENCODINGS)


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in _FOLD.sub(" ", text_of(block)).split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or any(c in line for c in "\r\n\0"):
            raise FormMalformed("expected a part's headers as 'Name: value', found another")
        name = name.lower()
        if name in headers and name in _ONCE:
            raise FormMalformed("expected what a part is once in its headers, found it twice")
        headers.setdefault(name, value.strip(" \t"))
    return headers


def text_of(raw: bytes) -> str:
    """UTF-8, as browsers send it, or else Latin-1, as older clients do."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _disposition(value: str) -> tuple[str, str | None]:
    kind, _, rest = value.partition(";")
    if kind.strip().lower() != "form-data":
        return "", None
    found = parameters(rest)
    filename = found.get("filename")
    extended = _extended(found.get("filename*", ""))
    return found.get("name", ""), filename if extended is None else extended


def _extended(value: str) -> str | None:
    """``UTF-8''%c3%a9``: RFC 8187, which some clients send though RFC 7578 says not to. None: it
    cannot be read, and the name beside it stands."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    charset = charset.lower()
    if charset not in ("utf-8", "iso-8859-1") or not quote:
        return None
    try:
        return unquote_to_bytes(encoded).decode(charset)
    except UnicodeDecodeError:
        return None


def parameters(text: str) -> dict[str, str]:
    """``name="a"; filename=b`` by name, quotes and backslashes taken off. Raises FormMalformed."""
    found: dict[str, str] = {}
    at = _past_blanks(text, 0)
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise FormMalformed("expected parameters as name=value, found another form")
        name, quoted, plain = match[1].lower(), match[2], match[3]
        if name in found:
            raise FormMalformed("expected each parameter once, found one twice")
        found[name] = plain.rstrip(" \t") if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = _past_blanks(text, match.end())
    return found


def _past_blanks(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()
