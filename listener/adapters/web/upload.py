"""One upload: the form's two fields, in either order, to the front."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from aiohttp import web

from listener.core.errors import InvalidCode, InvalidFile, SpoolFault, SpoolFull
from listener.core.wire import MAX_TEXT_BYTES, sanitise_filename, text_in
from listener.ports.front import Front, OpenFile, Taken, Turned

from .form import FormReader, FormTooLarge, Part
from .part_heads import FormMalformed
from .problems import Refused

T = TypeVar("T")

FORM_BYTES = 64 * 1024
"""Of a form beside its file."""
HELD_AT_ONCE = 8
"""Files kept in memory because their code comes after them; further ones wait a little."""
HOLD_WAIT_S = 5.0
"""How long. Clients that stop in the midst of a file must not hold up the others."""

_FILE_REASONS = {"empty": "empty_file", "too_large": "too_large", "not_pdf_or_docx": "wrong_kind"}
_TURNED = {
    "lane_busy": "expected no open update of this CV (CV_LANE_POLICY=reject), found one:"
    " wait until it closes",
    "key_reused": "expected the code and the bytes that this Idempotency-Key was first used with,"
    " found others: choose a new key",
    "in_flight": "another request with this Idempotency-Key is not through yet: its answer, or"
    " this one's when it is sent again, tells what became of it",
    "draining": "nothing new is accepted; try again once it is back",
    "starting": "what an earlier run left is read first; try again",
}

OF_CODE = ("invalid_code",)
OF_FORM = (
    *("malformed_form", "missing_field", "unexpected_field", "not_a_form", "too_slow"),
    *("empty_file", "too_large", "wrong_kind", "spool_full", "spool_failed"),
)
OF_PLACE = ("busy",)
OF_FRONT = ("draining", "starting")
OF_LANE = ("lane_busy",)
OF_KEY = ("key_reused", "in_flight")
"""Reasons of what is refused here: of the code, the form and its file, a file that comes before its
code, the daemon, other updates, and the idempotency key."""


def turned(answer: Turned) -> Refused:
    """What the front turned away, as a refusal."""
    passing = answer.reason in ("draining", "starting", "in_flight")
    headers = {"Retry-After": "2"} if passing else None
    return Refused(answer.reason, _TURNED[answer.reason], headers=headers)


class Uploads:
    """Reads forms and hands them over. A file is streamed; one whose code comes after it is held in
    memory until then, ``max_file_bytes`` at most, and ``HELD_AT_ONCE`` of them."""

    def __init__(self, front: Front, max_file_bytes: int, body_timeout_s: float) -> None:
        self._front = front
        self._max_file_bytes = max_file_bytes
        self._body_timeout_s = body_timeout_s
        self._holding = asyncio.Semaphore(HELD_AT_ONCE)

    async def take(self, request: web.Request, key: str | None) -> Taken:
        """Accept what the request holds. Raises Refused, with nothing stored."""
        return await self._taken(request, lambda form: self._submit(form, key))

    async def take_cv(self, request: web.Request, code: str, key: str | None) -> Taken:
        """The same of a form whose file ``cv`` alone counts; the code is known. Without a key, what
        only repeats another update joins it."""
        return await self._taken(request, lambda form: self._submit_cv(form, code, key))

    async def with_cv(
        self, request: web.Request, use: Callable[[OpenFile | None], Awaitable[T]]
    ) -> T:
        """What ``use`` makes of the file in the form's one field ``cv``, or of None where the
        request has no body. Raises Refused, with nothing stored."""
        with self.told(request):
            if await self._is_empty(request):
                return await use(None)
            form = self._reader(request)

            async def opened() -> tuple[AsyncIterator[bytes], str]:
                cv = await _expect(form, "cv")
                return _to_the_end(form, cv), sanitise_filename(cv.filename or "")

            return await use(opened)

    async def one_field(self, request: web.Request, names: Sequence[str]) -> tuple[str, str]:
        """The name, one of these, and the text of the form's only field. Raises Refused, and what
        :meth:`told` makes a refusal of."""
        form = self._reader(request)
        part = await form.next()
        wanted = ", ".join(names)
        if part is None:
            raise Refused("missing_field", f"expected one field of {wanted}; found none")
        if part.name not in names:
            raise Refused("unexpected_field", f"expected one field of {wanted}; found another")
        text = await _text(_plain(part))
        if await form.next() is not None:
            raise Refused("unexpected_field", f"expected one field of {wanted}; found two")
        return part.name, text

    async def _taken(
        self, request: web.Request, submit: Callable[[FormReader], Awaitable[Taken | Turned]]
    ) -> Taken:
        with self.told(request):
            answer = await submit(self._reader(request))
        if isinstance(answer, Turned):
            raise turned(answer)
        return answer

    @contextmanager
    def told(self, request: web.Request) -> Iterator[None]:
        """Whatever is wrong with what was sent, or with where it is to be stored, as a refusal."""
        size = request.content_length
        if size is not None and size > self._max_file_bytes + FORM_BYTES:
            raise self._too_large()
        try:
            yield
        except (FormMalformed, web.RequestPayloadError) as error:
            malformed = isinstance(error, FormMalformed)
            detail = str(error) if malformed else "expected a whole body, found a broken one"
            raise Refused("malformed_form", detail) from None
        except FormTooLarge:
            raise self._too_large() from None
        except InvalidCode as error:
            raise Refused("invalid_code", str(error), cause=error.reason) from None
        except InvalidFile as error:
            raise Refused(_FILE_REASONS[error.reason], str(error)) from None
        except SpoolFull as error:
            raise Refused("spool_full", str(error)) from None
        except SpoolFault as error:
            raise Refused("spool_failed", str(error)) from None

    async def _is_empty(self, request: web.Request) -> bool:
        """Whether there is no body. One of no declared length, and of no form's kind, is looked at:
        some clients send an empty one in chunks."""
        if not request.body_exists or request.content_length == 0:
            return True
        if request.content_length is not None or _is_form(request):
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._body_timeout_s):
                return not await request.content.readany()
        return False

    def _reader(self, request: web.Request) -> FormReader:
        content_type = request.headers.get("Content-Type", "")
        if not _is_form(request) or "Content-Encoding" in request.headers:
            raise Refused(
                "not_a_form", "expected multipart/form-data without Content-Encoding, found another"
            )
        deadline = asyncio.get_running_loop().time() + self._body_timeout_s

        async def read() -> bytes:
            try:
                async with asyncio.timeout_at(deadline):
                    return await request.content.readany()
            except TimeoutError:
                raise Refused(
                    "too_slow", f"expected the body within {self._body_timeout_s:g} s"
                ) from None

        return FormReader(content_type, read, self._max_file_bytes + FORM_BYTES)

    async def _submit(self, form: FormReader, key: str | None) -> Taken | Turned:
        part = await form.next()
        if part is not None and part.name == "cv_code":
            code = await _text(_plain(part))
            cv = await _expect(form, "cv")
            return await self._front.submit(
                code,
                _to_the_end(form, cv),
                sanitise_filename(cv.filename or ""),
                idempotency_key=key,
            )
        cv = _named(part, "cv")
        async with self._place():
            file = await self._held(cv)
            code = await _text(await _expect(form, "cv_code"))
            await _expect_end(form)
            return await self._front.submit(
                code, _at_once(file), sanitise_filename(cv.filename or ""), idempotency_key=key
            )

    async def _submit_cv(self, form: FormReader, code: str, key: str | None) -> Taken | Turned:
        part = await form.next()
        while part is not None and not _is_cv_file(part):
            await _skip(part)
            part = await form.next()
        if part is None:
            raise Refused("missing_field", "expected a file in the field cv, found none")
        _plain(part)
        return await self._front.submit(
            code,
            _past_the_others(form, part),
            sanitise_filename(part.filename or ""),
            idempotency_key=key,
            join=key is None,
        )

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the places for files in memory, within a bound."""
        try:
            async with asyncio.timeout(HOLD_WAIT_S):
                await self._holding.acquire()
        except TimeoutError:
            raise Refused(
                "busy",
                "expected a free place for a file that comes before its code, found none: send the"
                " field cv_code first, or try again",
                headers={"Retry-After": "5"},
            ) from None
        try:
            yield
        finally:
            self._holding.release()

    async def _held(self, cv: Part) -> bytes:
        file = bytearray()
        async for chunk in cv.data:
            file += chunk
            if len(file) > self._max_file_bytes:
                raise self._too_large()
        return bytes(file)

    def _too_large(self) -> Refused:
        return Refused(
            "too_large", f"expected a CV of at most {self._max_file_bytes} bytes, found more"
        )


def _is_form(request: web.Request) -> bool:
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    return kind.strip().lower() == "multipart/form-data"


async def _text(part: Part) -> str:
    """A form made from a text file ends in a newline, which no code does."""
    found = bytearray()
    async for chunk in part.data:
        found += chunk
        if len(found) > MAX_TEXT_BYTES:
            break
    return text_in(bytes(found))


def _named(part: Part | None, name: str) -> Part:
    if part is None:
        raise Refused("missing_field", f"expected a field {name}, found the end of the form")
    if part.name != name:
        raise Refused(
            "unexpected_field",
            f"expected the field {name} here, found another: each comes once, and no other does",
        )
    return _plain(part)


def _plain(part: Part) -> Part:
    """One whose bytes count: they are to be what they stand for."""
    if part.head.encoded:
        raise FormMalformed(
            "expected the field without Content-Transfer-Encoding, found one: send plain bytes"
        )
    return part


async def _expect(form: FormReader, name: str) -> Part:
    return _named(await form.next(), name)


async def _expect_end(form: FormReader) -> None:
    if await form.next() is not None:
        raise Refused(
            "unexpected_field", "expected the fields cv_code and cv, once each; found one more"
        )


async def _to_the_end(form: FormReader, cv: Part) -> AsyncIterator[bytes]:
    """The file, and then the proof that the form was whole: without it, nothing is stored."""
    async for chunk in cv.data:
        yield chunk
    await _expect_end(form)


def _is_cv_file(part: Part) -> bool:
    """A field without a file's name is a text, as upstreams read forms."""
    return part.name == "cv" and bool(part.filename)


async def _skip(part: Part) -> None:
    async for _ in part.data:
        pass


async def _past_the_others(form: FormReader, cv: Part) -> AsyncIterator[bytes]:
    """The file, and then the proof that the form was whole and had no second one."""
    async for chunk in cv.data:
        yield chunk
    while (other := await form.next()) is not None:
        if _is_cv_file(other):
            raise Refused("unexpected_field", "expected one file in the field cv, found two")
        await _skip(other)


async def _at_once(file: bytes) -> AsyncIterator[bytes]:
    if file:
        yield file
