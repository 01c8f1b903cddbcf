"""multipart/form-data, read as it streams: strict, bounded, and silent about what it held.

The library's own reader shows malformed headers (file names) in warnings, and bounds neither the
form nor what stands before its first part. Source: RFC 7578, RFC 2046 section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import unquote

Read = Callable[[], Awaitable[bytes]]
"""The next bytes of the body, of any size; empty at its end."""

PREAMBLE_BYTES = 1024
HEADER_BYTES = 8192
"""Of all headers of one part."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word, not a secret
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))')
_PLAIN_ENCODINGS = {"7bit", "8bit", "binary"}


class FormMalformed(Exception):
    """The sender's fault: not a form, or cut short. The message never holds what was sent."""


class FormTooLarge(Exception):
    """The sender's fault: more bytes than any acceptable form has."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field. ``data`` must be read to its end before the next part is asked for."""

    name: str = field(repr=False)
    filename: str | None = field(repr=False)
    data: AsyncIterator[bytes] = field(repr=False)


class FormReader:
    """The parts of one form, in order, each to be read as it comes."""

    def __init__(self, content_type: str, read: Read, max_bytes: int) -> None:
        """Raises FormMalformed if ``content_type`` is not that of a form."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._read = read
        self._left = max_bytes
        # A form begins with a delimiter that has no line before it.
        self._buffer = bytearray(b"\r\n")
        self._begun = False
        self._between_parts = False
        self._ended = False

    async def next(self) -> Part | None:
        """The next part, None after the last. Raises FormMalformed or FormTooLarge."""
        if not self._begun:
            await self._skip_preamble()
            self._begun = True
        if self._ended:
            return None
        if not self._between_parts:
            raise RuntimeError("expected the part before to be read to its end, found it was not")
        self._between_parts = False
        name, filename = _disposition(await self._headers())
        return Part(name, filename, self._data())

    async def _skip_preamble(self) -> None:
        size = 0
        async with aclosing(self._data()) as preamble:
            async for chunk in preamble:
                size += len(chunk)
                if size > PREAMBLE_BYTES:
                    raise FormMalformed("expected the form's first boundary, found other bytes")

    async def _data(self) -> AsyncGenerator[bytes]:
        delimiter, buffer = self._delimiter, self._buffer
        held = len(delimiter) - 1
        while (at := buffer.find(delimiter)) < 0:
            if len(buffer) > held:
                yield bytes(buffer[:-held])
                del buffer[:-held]
            await self._more()
        if at:
            yield bytes(buffer[:at])
        del buffer[: at + len(delimiter)]
        await self._after_delimiter()

    async def _after_delimiter(self) -> None:
        """Two dashes end the form; else the rest of the line is blank."""
        while len(self._buffer) < 2:
            await self._more()
        if self._buffer.startswith(b"--"):
            self._ended = True
            return
        line = await self._until(b"\r\n", 256)
        if line.strip(b" \t"):
            raise FormMalformed("expected a line of its own for each boundary, found more in it")
        # Kept, so that a part without headers still shows the blank line that ends them.
        self._buffer[:0] = b"\r\n"
        self._between_parts = True

    async def _headers(self) -> dict[str, str]:
        block = await self._until(b"\r\n\r\n", HEADER_BYTES)
        headers: dict[str, str] = {}
        try:
            lines = block.decode("utf-8").split("\r\n")[1:]
        except UnicodeDecodeError:
            raise FormMalformed("expected a part's headers in UTF-8, found other bytes") from None
        for line in lines:
            found = _HEADER.fullmatch(line)
            if found is None or any(c in line for c in "\r\n\0"):
                raise FormMalformed("expected a part's headers as 'Name: value', found another")
            name = found[1].lower()
            if name in headers:
                raise FormMalformed("expected each header of a part once, found one twice")
            headers[name] = found[2]
        encoding = headers.get("content-transfer-encoding", "binary").lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise FormMalformed(
                "expected parts without Content-Transfer-Encoding, found one: send plain bytes"
            )
        return headers

    async def _until(self, end: bytes, most: int) -> bytes:
        """What stands before ``end``, which is taken too."""
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > most:
                break
            await self._more()
        if not 0 <= at <= most:
            raise FormMalformed(f"expected a line, or a part's headers, to end within {most} bytes")
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(end)]
        return found

    async def _more(self) -> None:
        chunk = await self._read()
        if not chunk:
            raise FormMalformed("expected the form's last boundary, found the end of the body")
        self._left -= len(chunk)
        if self._left < 0:
            raise FormTooLarge
        self._buffer += chunk


def _boundary(content_type: str) -> bytes:
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise FormMalformed("expected Content-Type: multipart/form-data, found another")
    boundary = _parameters(";" + parameters).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise FormMalformed("expected a boundary of 1 to 70 characters in Content-Type, found none")
    return boundary.encode("ascii")


def _disposition(headers: dict[str, str]) -> tuple[str, str | None]:
    kind, semicolon, rest = headers.get("content-disposition", "").partition(";")
    if kind.strip().lower() != "form-data":
        raise FormMalformed("expected Content-Disposition: form-data in each part, found another")
    found = _parameters(semicolon + rest)
    if "name" not in found:
        raise FormMalformed("expected each part to have a name, found one without")
    filename = found.get("filename")
    if (extended := found.get("filename*")) is not None:
        filename = _extended(extended)
    return found["name"], filename


def _extended(value: str) -> str:
    """``UTF-8''%c3%a9``: RFC 8187, which some clients send though RFC 7578 says not to."""
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if charset.lower() != "utf-8" or not quote:
        raise FormMalformed("expected filename* in UTF-8, found another encoding")
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise FormMalformed("expected filename* in UTF-8, found another encoding") from None


def _parameters(text: str) -> dict[str, str]:
    """``; name="a"; filename=b`` by name, quotes and backslashes taken off."""
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip(" \t;"):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise FormMalformed("expected parameters as name=value, found another form")
        name, quoted, plain = match[1].lower(), match[2], match[3]
        if name in found:
            raise FormMalformed("expected each parameter once, found one twice")
        found[name] = plain if quoted is None else re.sub(r'\\(["\\])', r"\1", quoted)
        at = match.end()
    return found
