"""multipart/form-data, read as it streams: bounded, and silent about what it held.

The library's own reader shows malformed headers (file names) in warnings, and bounds neither the
form nor what stands before its first part. Source: RFC 7578, RFC 2046 section 5.1.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from .part_heads import FormMalformed, PartHead, parameters, read_head

Read = Callable[[], Awaitable[bytes]]
"""The next bytes of the body, of any size; empty at its end."""

PREAMBLE_BYTES = 1024
HEADER_BYTES = 8192
"""Of all headers of one part."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class FormTooLarge(Exception):
    """The sender's fault: more bytes than any acceptable form has."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field. ``data`` must be read to its end before the next part is asked for."""

    head: PartHead
    data: AsyncIterator[bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """Empty: it has none."""
        return self.head.name

    @property
    def filename(self) -> str | None:
        """Empty or None: it is a text."""
        return self.head.filename


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
        head = read_head(await self._until(b"\r\n\r\n", HEADER_BYTES))
        return Part(head, self._data())

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
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise FormMalformed("expected Content-Type: multipart/form-data, found another")
    boundary = parameters(rest).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise FormMalformed("expected a boundary of 1 to 70 characters in Content-Type, found none")
    return boundary.encode("ascii")
