"""The upstream's two requests, done by its contract and spoiled by plan."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from . import breaking
from .documents import Document, kind_of, read_document
from .faultbook import FaultBook
from .ledger import (
    FOREIGN,
    NOBODY,
    EventEntry,
    ForeignEntry,
    Ledger,
    PostEntry,
    ReadingEntry,
    now_ms,
)
from .loudspeaker import Loudspeaker
from .options import Options
from .payloads import event_body, reply_data
from .plan import Plan, read_header
from .records import Record, Records
from .upload import Upload, read_upload

PLAN_HEADER = "X-Emulate"

STATUSES: Mapping[str, int] = {
    "error": 500,
    "throttled": 429,
    "unavailable": 503,
    "not_found": 404,
    "redirect": 307,
}
"""Of the answers that are not 200 of themselves."""

MESSAGES: Mapping[str, str] = {
    "error": "Server Error",
    "throttled": "Too Many Attempts.",
    "unavailable": "Service Unavailable",
    "not_found": "CV not found",
    "status_error": "CV could not be updated",
    "redirect": "Moved",
}

REFUSALS: Mapping[str, tuple[int, str]] = {
    "not_multipart": (422, "The cv field is required."),
    "malformed": (400, "The request body could not be read."),
    "no_file": (422, "The cv field is required."),
    "two_files": (422, "The cv field must be one file."),
    "too_large": (413, "The cv must not be greater than 5120 kilobytes."),
    "not_pdf_or_docx": (422, "The cv must be a file of type: pdf, docx."),
    "zip_bomb": (422, "The cv could not be unpacked."),
    "doctype": (422, "The cv could not be read."),
    "broken_archive": (422, "The cv could not be unpacked."),
}
"""Why a file is not taken: the status and the message. Such a POST is never applied."""

UNREADABLE = b"<!doctype html><title>OK</title><h1>It works!</h1>"


def error_response(status: int, message: str) -> web.Response:
    """An error in the upstream's own shape."""
    return web.json_response({"status": "error", "message": message}, status=status)


class Upstream:
    """What stands behind ``/cv-enhance``. ``stopping`` set: whatever hangs, ends."""

    def __init__(
        self,
        options: Options,
        ledger: Ledger,
        book: FaultBook,
        records: Records,
        speaker: Loudspeaker,
        readers: Executor,
    ) -> None:
        self._options = options
        self._ledger = ledger
        self._book = book
        self._records = records
        self._speaker = speaker
        self._readers = readers
        self._tasks: set[asyncio.Task[None]] = set()
        self._hostile = 0
        self.stopping = asyncio.Event()

    # ------------------------------------------------------------------------------------- GET

    async def read(self, request: web.BaseRequest, code: str) -> web.StreamResponse:
        """The record, or 404."""
        plan = self._plan("get", request, code)
        entry = ReadingEntry(
            self._ledger.next_number(), code, now_ms(), request.headers.get("X-Request-Id")
        )
        entry.fault = plan.name
        self._ledger.add("read", entry)
        await self._pause_before_reply(plan)
        record = self._records.find(code)
        if record is None:
            return await self._send(request, entry, error_response(404, MESSAGES["not_found"]))
        shown = {k: v for k, v in record.as_json().items() if k not in plan.omit}
        if plan.answer in ("ok", "slow", "truncated"):
            entry.cv_path = record.cv_path
            entry.cv_status = record.status
            entry.cv_enhance_status = record.cv_enhance_status
        return await self._answer(request, entry, plan, shown, 200)

    # ------------------------------------------------------------------------------------ POST

    async def update(self, request: web.BaseRequest, code: str) -> web.StreamResponse:
        """One update. What the answer says and what is applied are two things: see Plan."""
        entry = PostEntry(
            self._ledger.next_number(),
            code,
            now_ms(),
            request.headers.get("X-Request-Id"),
            request.headers.get("traceparent"),
        )
        self._ledger.add("received", entry)
        plan = self._plan("post", request, code)
        entry.fault = plan.name
        if not plan.read_body:
            return await self._answer(request, entry, plan, {}, self._options.success_status)
        upload = await read_upload(request, self._options.max_file_bytes)
        self._take_down(entry, upload)
        if not upload.whole:
            return await self._broken_off(request, entry)
        record = self._records.find(code)
        if record is None:
            return await self._send(request, entry, error_response(404, MESSAGES["not_found"]))
        document = await self._read(upload)
        if refused := upload.problem or document.refused:
            return await self._send(request, entry, error_response(*REFUSALS[refused]))
        return await self._treat(request, entry, plan, record, upload, document)

    async def _treat(
        self,
        request: web.BaseRequest,
        entry: PostEntry,
        plan: Plan,
        record: Record,
        upload: Upload,
        document: Document,
    ) -> web.StreamResponse:
        if plan.foreign == "before":
            await self.foreign_update(record.code)
        if plan.apply == "before":
            await self._apply(entry, plan, record, upload, document)
        if plan.foreign == "after":
            self._spawn(self._foreign_later(record.code, plan.foreign_delay_ms))
        await self._pause_before_reply(plan)
        said = reply_data(record.as_json())
        try:
            return await self._answer(request, entry, plan, said, self._options.success_status)
        finally:
            if plan.apply == "after":
                self._spawn(self._apply(entry, plan, record, upload, document))

    def _take_down(self, entry: PostEntry, upload: Upload) -> None:
        entry.whole_body = upload.whole
        if upload.whole:
            entry.sha256, entry.size = upload.sha256, upload.size
            entry.file_name = upload.file_name
        self._ledger.changed("body", entry)

    async def _read(self, upload: Upload) -> Document:
        """The text is had in a thread: the loop has other requests to serve."""
        if upload.problem:
            return Document("unknown")
        if not self._options.extract:
            kind = kind_of(upload.content)
            return Document(kind or "unknown", refused=None if kind else "not_pdf_or_docx")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, read_document, upload.content)

    async def _broken_off(self, request: web.BaseRequest, entry: PostEntry) -> web.StreamResponse:
        self._end(entry, "client_left" if breaking.gone(request) else "closed")
        breaking.close(request)
        return web.Response(status=400)

    async def _apply(
        self, entry: PostEntry, plan: Plan, record: Record, upload: Upload, document: Document
    ) -> None:
        if plan.apply_delay_ms > 0:
            await asyncio.sleep(plan.apply_delay_ms / 1000)
        entry.cv_path = self._records.apply(record, upload.size, document)
        entry.applied_ms = now_ms()
        self._ledger.changed("applied", entry)
        self._records.dispatch(record, entry.number, plan)
        if plan.event_first:
            await self._emit_all(record, entry.number, plan)
        else:
            self._spawn(self._emit_all(record, entry.number, plan))

    # ----------------------------------------------------------------------------- other parties

    async def foreign_update(self, code: str) -> ForeignEntry:
        """Another party updates this CV: its record moves, its jobs run, its event is emitted.

        The code comes into being where it is new.
        """
        record = self._records.create(code)
        path = self._records.apply(record, 0, Document("pdf"))
        entry = ForeignEntry(self._ledger.next_number(), code, now_ms(), path)
        self._ledger.add("foreign", entry)
        self._records.dispatch(record, FOREIGN, Plan())
        self._spawn(self._emit_all(record, FOREIGN, Plan()))
        return entry

    async def _foreign_later(self, code: str, delay_ms: int) -> None:
        await asyncio.sleep(max(0, delay_ms) / 1000)
        await self.foreign_update(code)

    async def emit_bare(self, code: str, body: object) -> EventEntry:
        """An event that no update stands behind. ``code`` is the one that the ledger has it for."""
        return await self._emit(code, NOBODY, "given", body)

    # ---------------------------------------------------------------------------------- events

    async def _emit_all(self, record: Record, for_post: int | str, plan: Plan) -> None:
        delay = plan.event_delay_ms if plan.event_delay_ms >= 0 else self._options.event_delay_ms
        shapes = [*["hostile"] * plan.chaff, *[plan.payload or self._options.payload] * plan.events]
        for shape in shapes:
            await asyncio.sleep(delay / 1000)
            self._hostile += shape == "hostile"
            body = event_body(shape, record.as_json(), self._hostile)
            await self._emit(record.code, for_post, shape, body)

    async def _emit(self, code: str, for_post: int | str, shape: str, body: object) -> EventEntry:
        """The entry stands in the ledger before anybody can have heard the event."""
        await self._speaker.unpaused()
        receivers = len(self._speaker.audience())
        number = self._ledger.next_number()
        entry = EventEntry(number, code, for_post, now_ms(), receivers, shape)
        self._ledger.add("emitted", entry)
        await self._speaker.emit(body)
        return entry

    # --------------------------------------------------------------------------------- answers

    def _plan(self, on: str, request: web.BaseRequest, code: str) -> Plan:
        asked = request.headers.get(PLAN_HEADER) if self._options.control else None
        return read_header(asked) if asked else self._book.take(on, code)

    async def _pause_before_reply(self, plan: Plan) -> None:
        delay = plan.reply_delay_ms if plan.reply_delay_ms >= 0 else self._options.reply_delay_ms
        if delay > 0:
            await asyncio.sleep(delay / 1000)

    async def _answer(
        self,
        request: web.BaseRequest,
        entry: PostEntry | ReadingEntry,
        plan: Plan,
        data: dict[str, object],
        success: int,
    ) -> web.StreamResponse:
        """Answer, or break off, as planned. The ledger knows it before the client can."""
        status = plan.status if plan.status >= 0 else STATUSES.get(plan.answer, success)
        body = json.dumps({"status": "success", "data": data}).encode()
        unsent = web.Response(status=500)
        if plan.answer == "reset":
            self._end(entry, "reset")
            breaking.reset(request)
            return unsent
        if plan.answer == "close":
            self._end(entry, "closed")
            breaking.close(request)
            return unsent
        if plan.answer == "hang":
            self._end(entry, "hung")
            await breaking.hang(request, self.stopping)
            breaking.close(request)
            return unsent
        if plan.answer == "truncated":
            self._end(entry, "truncated", status)
            return await breaking.truncated(request, body, status)
        if plan.answer == "slow":
            self._end(entry, "answered", status)
            return await breaking.slow(request, body, status, plan.slow_ms)
        return await self._send(request, entry, _whole(plan, status, body))

    async def _send(
        self,
        request: web.BaseRequest,
        entry: PostEntry | ReadingEntry,
        response: web.Response,
    ) -> web.StreamResponse:
        """Sent here and not by the framework, to know whether the client was still there."""
        if breaking.gone(request):
            self._end(entry, "client_left")
            return response
        self._end(entry, "answered", response.status)
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            self._end(entry, "client_left")
        return response

    def _end(self, entry: PostEntry | ReadingEntry, how: str, status: int | None = None) -> None:
        entry.ended, entry.status = how, status
        if isinstance(entry, PostEntry):
            entry.ended_ms = now_ms()
        self._ledger.changed("ended", entry)

    # ------------------------------------------------------------------------------ background

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def forget_pending(self) -> None:
        """What was still to be applied or emitted, never will be."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _whole(plan: Plan, status: int, body: bytes) -> web.Response:
    """Every answer that is sent as a whole."""
    if plan.answer == "ok":
        return web.Response(body=body, status=status, content_type="application/json")
    if plan.answer == "unreadable":
        return web.Response(body=UNREADABLE, status=status, content_type="text/html")
    response = error_response(status, MESSAGES[plan.answer])
    if plan.answer == "redirect":
        response.headers["Location"] = "/elsewhere"
    if plan.answer in ("throttled", "unavailable") and plan.retry_after_s >= 0:
        response.headers["Retry-After"] = _retry_after(plan)
    return response


def _retry_after(plan: Plan) -> str:
    if plan.retry_after_form == "seconds":
        return str(plan.retry_after_s)
    at = datetime.now(UTC) + timedelta(seconds=plan.retry_after_s)
    return format_datetime(at, usegmt=True)
