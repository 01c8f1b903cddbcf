"""The upstream on virtual time: the truth of each CV, a ledger, and an HTTP side that is scripted.

What a reply means is read by the real ``listener.core.wire``; what a broken connection means is
what the real adapter makes of one, held to it by the contract suite.

    upstream = ScriptedUpstream(
        rng=rng, now_ms=clock.now_ms, server=server,
        draw=lambda post: odds.draw(rng),          # a name of upstream_scripts.SCRIPTS, or "a+b"
        draw_read=lambda code: "ok",
    )
    await upstream.post_update(…); upstream.foreign_update(code); upstream.down = True
    upstream.ledger.posts, upstream.records

What was handed over whole goes on without the caller: a caller that is cancelled has still sent it.
One cancelled before that has sent nothing. All waiting is done by timers of the running loop: four
or five for a POST.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path

import orjson

from listener.core import wire
from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode, Millis, PostKind
from listener.core.submission import FileFacts
from listener.emulator.payloads import event_body, reply_data
from listener.emulator.upstream import MESSAGES, STATUSES, UNREADABLE
from listener.ports.upstream import NoReply, OnReply, RawReply, unheeded

from .socket_server import SocketServer
from .upstream_scripts import Script, named

Range = tuple[float, float]
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers in lower case, and body."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, drawn where a script names none. ``apply_late_s`` ends below the settle period, as
    the docs demand of an upstream."""

    refuse_s: Range = (0.001, 3.0)
    upload_s: Range = (0.001, 0.3)
    work_s: Range = (0.004, 0.3)
    reply_s: Range = (0.001, 0.2)
    reply_late_s: Range = (0.1, 25.0)
    apply_late_s: Range = (0.1, 25.0)
    event_s: Range = (0.01, 4.0)
    event_late_s: Range = (4.0, 180.0)
    job_s: Range = (2.0, 60.0)
    get_s: Range = (0.001, 0.2)


@dataclass(slots=True)
class Record:
    """The truth of one CV. ``revision`` counts the updates applied, and makes ``cv_path``."""

    cv_id: int
    revision: int = 0
    status: str = "completed"
    enhance_status: str = "enhanced"

    def as_json(self, code: CvCode) -> dict[str, object]:
        """As a GET gives it."""
        return {
            "cv_code": code,
            "cv_id": self.cv_id,
            "application_id": None,
            "cv_path": f"cvs/{self.cv_id}/{self.revision}.pdf",
            "cv_data": {"name": "Ann Applicant"},
            "status": self.status,
            "cv_enhance_status": self.enhance_status,
        }


@dataclass(slots=True)
class Post:
    """The truth of one POST, as only the upstream knows it. ``fault``: the script's name."""

    request_id: str
    code: CvCode = field(repr=False)
    began_s: float
    fault: str = ""
    size: int = 0
    """Of the file, in bytes."""
    handed_s: float | None = None
    """When the upstream had the whole of it."""
    ended_s: float | None = None
    applied_s: float | None = None
    emitted: int = 0
    """Events for it that name its code, so far."""
    told_s: float | None = None
    """When the first of them was emitted."""
    told: str = ""
    """What the caller was told, a PostKind's value; empty where it was told nothing."""
    to_be_applied: bool = False

    @property
    def undecided(self) -> bool:
        """Whether it may still be applied, before it is answered."""
        return self.to_be_applied and self.applied_s is None


@dataclass(slots=True)
class Ledger:
    """What really happened. ``posts``: those that a connection was had for."""

    posts: list[Post] = field(default_factory=list)
    foreign: set[CvCode] = field(default_factory=set)
    overlaps: list[CvCode] = field(default_factory=list)
    emitted: dict[CvCode, int] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    """Whose each emission is: its number, and the request id of the POST."""
    again: dict[int, float] = field(default_factory=dict)
    """Emissions, by number, of an update that had been told of before: when, in seconds."""
    reads: list[tuple[str, str]] = field(default_factory=list)
    """The request id and the script's name of each reading."""

    def of(self, submission_id: str) -> list[Post]:
        """The POSTs of one submission, in order."""
        return [p for p in self.posts if p.request_id.rsplit("-", 1)[0] == submission_id]


def _all_is_well(_: object) -> str:
    return "ok"


class ScriptedUpstream:
    """Implements ``ports.upstream.Upstream``. The times, ``retry_after_cap_ms`` and
    ``not_applied_statuses`` are ``HttpUpstream``'s. ``down`` True: nobody reaches it, though it
    goes on. ``lost``: whether a file is gone or changed. ``skew_ms``: of its clock, against ours.
    """

    def __init__(
        self,
        *,
        rng: random.Random,
        now_ms: Callable[[], Millis],
        server: SocketServer,
        draw: Callable[[Post], str] = _all_is_well,
        draw_read: Callable[[CvCode], str] = _all_is_well,
        pace: Pace = Pace(),
        auto_create: bool = True,
        timeout_s: float = 10.0,
        upload_timeout_s: float = 30.0,
        retry_after_cap_ms: int = 300_000,
        not_applied_statuses: Collection[int] = (),
        lost: Callable[[Path, FileFacts], bool] = lambda file, facts: False,
        skew_ms: int = 0,
    ) -> None:
        self._rng = rng
        self._now_ms = now_ms
        self._server = server
        self.draw = draw
        self.draw_read = draw_read
        self.pace = pace
        self._auto_create = auto_create
        self._timeout_s = timeout_s
        self._upload_timeout_s = upload_timeout_s
        self._retry_after_cap_ms = retry_after_cap_ms
        self._not_applied = frozenset(not_applied_statuses)
        self._lost = lost
        self._skew_ms = skew_ms
        self._loop = asyncio.get_running_loop()
        self._flying: list[Post] = []
        self._hostile = 0
        self._closed = False
        self.ledger = Ledger()
        self.records: dict[CvCode, Record] = {}
        self.down = False

    # ------------------------------------------------------------------------------- the port

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        """See the port. As the real adapter's client does, it asks a second time where the
        connection was lost."""
        read_ms = self._now_ms()
        reading = await self._read_once(code, request_id, read_ms)
        if reading.detail in ("connection_reset", "disconnected"):
            reading = await self._read_once(code, request_id, read_ms)
        return reading

    async def _read_once(self, code: CvCode, request_id: str, read_ms: Millis) -> Reading:
        found = await self._get(code, request_id)
        if isinstance(found, str):
            return Reading(read_ms=read_ms, known=False, detail=found)
        status, headers, body = found
        return wire.read_record(status, headers, body, read_ms, code=code)

    async def fetch_record(self, code: CvCode, *, request_id: str) -> RawReply | NoReply:
        """See the port; asked a second time as above."""
        found = await self._get(code, request_id)
        if found in ("connection_reset", "disconnected"):
            found = await self._get(code, request_id)
        if isinstance(found, str):
            return NoReply(found, timed_out=found.endswith("_timeout"))
        return _raw(found)

    async def _get(self, code: CvCode, request_id: str) -> Reply | str:
        """What was answered, or how it failed."""
        script = named(self.draw_read(code))
        if (fault := self._unreachable(script)) is not None:
            await asyncio.sleep(self._unreachable_s(fault))
            return fault
        self.ledger.reads.append((request_id, script.name))
        await asyncio.sleep(self._drawn(self.pace.get_s))
        reply = self._reply(script, code, self._shown(script, code))
        slow = script.answer == "slow"
        wait_s = self._given(script.reply_delay_ms, self.pace.get_s)
        wait_s += script.slow_ms / 1000 if slow else 0
        limit_s = self._timeout_s * (2 if slow else 1)
        if script.answer == "hang" or wait_s > limit_s:
            await asyncio.sleep(limit_s)
            return "total_timeout" if slow else "read_timeout"
        await asyncio.sleep(wait_s)
        broken = _BREAKS.get(script.answer) or ("read_timeout" if self.down else None)
        return reply if broken is None else broken

    async def post_update(
        self,
        code: CvCode,
        file: Path,
        facts: FileFacts,
        *,
        request_id: str,
        on_reply: OnReply = unheeded,
    ) -> PostResult:
        """See the port."""
        if self._lost(file, facts):
            return PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)
        post = Post(request_id, code, self._loop.time(), size=facts.size)
        post.fault = self.draw(post)
        script = named(post.fault)
        if (fault := self._unreachable(script)) is not None:
            await asyncio.sleep(self._unreachable_s(fault))
            return PostResult(PostKind.NOT_SENT, fault)
        self._begin(post)
        try:
            await asyncio.sleep(self._drawn(self.pace.upload_s))
            result = await self._serve(post, script, on_reply)
            post.told = result.kind.value
        finally:
            self._flying.remove(post)
            post.ended_s = self._loop.time()
        return result

    async def close(self) -> None:
        """See the port."""
        self._closed = True

    # ------------------------------------------------------------------------------- a request

    def _begin(self, post: Post) -> None:
        self.ledger.posts.append(post)
        if any(other.code == post.code and other.undecided for other in self._flying):
            self.ledger.overlaps.append(post.code)
        self._flying.append(post)

    async def _serve(self, post: Post, script: Script, on_reply: OnReply) -> PostResult:
        if not script.read_body:
            if script.answer in _BREAKS:
                return PostResult(PostKind.NOT_SENT, "write_failed")
            return self._read(post, script, on_reply)
        post.handed_s = self._loop.time()
        if not self._exists(post.code):
            script = named("not_found")
        answer_s = self._take(post, script)
        patience_s = post.handed_s + self._upload_timeout_s
        if script.answer == "hang" or answer_s > patience_s:
            await self._until(patience_s)
            return PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
        await self._until(answer_s)
        if script.answer == "truncated":
            return PostResult(PostKind.POSSIBLY_SENT, "reply_garbled", 200, resendable=False)
        if script.answer == "slow":
            # Each piece of it comes in time, and the head has told the status.
            limit_s = post.began_s + 2 * (self._timeout_s + self._upload_timeout_s)
            limit_s += wire.longest_upload_s(post.size)
            end_s = answer_s + script.slow_ms / 1000
            await self._until(min(end_s, limit_s))
            if end_s > limit_s:
                return PostResult(PostKind.POSSIBLY_SENT, "total_timeout", 200, resendable=False)
        if self.down or script.answer in _BREAKS:
            return PostResult(PostKind.POSSIBLY_SENT, _BREAKS.get(script.answer, "read_timeout"))
        return self._read(post, script, on_reply)

    def _take(self, post: Post, script: Script) -> float:
        """The upstream has it: from here on it happens, whoever looks. Returns when it answers."""
        pace, loop = self.pace, self._loop
        if script.foreign == "before":
            self.foreign_update(post.code)
        done_s = loop.time() + self._drawn(pace.work_s)
        if script.apply == "before":
            post.to_be_applied = True
            loop.call_at(done_s, self._apply, post, script)
        late = pace.reply_late_s if script.reply_late else pace.reply_s
        answer_s = done_s + self._given(script.reply_delay_ms, late)
        if script.apply == "after":
            apply_s = answer_s + script.apply_delay_ms / 1000
            if script.apply_late:
                # However late it answers: whose client died meanwhile cannot know of the answer,
                # and counts the settle period from its own death.
                longest_s = loop.time() + pace.apply_late_s[1]
                apply_s = min(answer_s + self._drawn(pace.apply_late_s), longest_s)
            loop.call_at(apply_s, self._apply, post, script)
        if script.foreign == "after":
            loop.call_at(done_s + script.foreign_delay_ms / 1000, self.foreign_update, post.code)
        return answer_s

    def _unreachable(self, script: Script) -> str | None:
        if self._closed:
            return "transport_closed"
        if self.down or script.connect == "refused":
            return "connect_refused"
        return "connect_timeout" if script.connect == "timeout" else None

    def _unreachable_s(self, fault: str) -> float:
        if fault == "connect_timeout":
            return self._timeout_s
        return self._drawn(self.pace.refuse_s) if fault == "connect_refused" else 0.0

    def _reply(self, script: Script, code: CvCode, data: dict[str, object]) -> Reply:
        """``data``: of a success."""
        if not self._exists(code):
            script = named("not_found")
        status = script.status if script.status >= 0 else STATUSES.get(script.answer, 200)
        if script.answer == "unreadable":
            return status, {}, UNREADABLE
        if script.answer in ("ok", "slow"):
            return status, {}, orjson.dumps({"status": "success", "data": data})
        headers: dict[str, str] = {}
        if script.retry_after_s >= 0 and script.answer in ("throttled", "unavailable"):
            headers = self._retry_after(script)
        said = {"status": "error", "message": MESSAGES.get(script.answer, "")}
        return status, headers, orjson.dumps(said)

    def _said(self, script: Script, code: CvCode) -> dict[str, object]:
        """Of an update that was accepted."""
        if script.says == "none" or not self._exists(code):
            return {}
        return reply_data(self._record(code).as_json(code))

    def _shown(self, script: Script, code: CvCode) -> dict[str, object]:
        """Of the record."""
        if not self._exists(code):
            return {}
        record = self._record(code).as_json(code)
        return {name: value for name, value in record.items() if name not in script.omit}

    def _retry_after(self, script: Script) -> dict[str, str]:
        now = datetime.fromtimestamp((self._now_ms() + self._skew_ms) // 1000, UTC)
        at = format_datetime(now + timedelta(seconds=script.retry_after_s), usegmt=True)
        value = at if script.retry_after_form == "date" else str(script.retry_after_s)
        return {"retry-after": value, "date": format_datetime(now, usegmt=True)}

    def _read(self, post: Post, script: Script, on_reply: OnReply) -> PostResult:
        reply = self._reply(script, post.code, self._said(script, post.code))
        status, headers, body = reply
        on_reply(_raw(reply))
        return wire.read_post(
            status,
            headers,
            body,
            code=post.code,
            now_ms=self._now_ms(),
            retry_after_cap_ms=self._retry_after_cap_ms,
            not_applied_statuses=self._not_applied,
        )

    # ------------------------------------------------------------------------------- the truth

    def _exists(self, code: CvCode) -> bool:
        return self._auto_create or code in self.records

    def create(self, code: CvCode) -> Record:
        """The record of a code, new or not."""
        return self._record(code)

    def foreign_update(self, code: CvCode) -> None:
        """Somebody else updates this CV: its record moves, its jobs run, its event is emitted."""
        self.ledger.foreign.add(code)
        script = named("ok")
        self._move(code, script)
        self._loop.call_later(self._drawn(self.pace.event_s), self.emit, code, None, "plain")

    def emit(self, code: CvCode, post: Post | None = None, shape: str = "plain") -> None:
        """One event, and for which POST, if for any. ``shape``: of ``emulator.payloads``. The
        shapes that hold it carry the emission's number as ``application_id``."""
        record = {**self._record(code).as_json(code), "application_id": self._server.next_number}
        if shape == "hostile":
            self._hostile += 1
        else:
            self.ledger.emitted[code] = self.ledger.emitted.get(code, 0) + 1
            if post is not None:
                number = self._server.next_number
                if post.told_s is None:
                    post.told_s = self._loop.time()
                else:
                    self.ledger.again[number] = post.told_s
                post.emitted += 1
                self.ledger.owners[number] = post.request_id
        self._server.emit(code, event_body(shape, record, self._hostile))

    def _record(self, code: CvCode) -> Record:
        found = self.records.get(code)
        if found is None:
            found = self.records[code] = Record(456 + len(self.records))
        return found

    def _apply(self, post: Post, script: Script) -> None:
        """The upstream's own order: the record moves, the jobs are dispatched, the event goes."""
        post.applied_s = self._loop.time()
        self._move(post.code, script)
        shapes = [*["hostile"] * script.chaff, *[script.payload or "plain"] * script.events]
        pace = self.pace.event_late_s if script.event_late else self.pace.event_s
        for shape in shapes:
            if script.event_first:
                self.emit(post.code, post, shape)
            else:
                delay_s = self._given(script.event_delay_ms, pace)
                self._loop.call_later(delay_s, self.emit, post.code, post, shape)

    def _move(self, code: CvCode, script: Script) -> None:
        record = self._record(code)
        record.revision += 1
        record.status = record.enhance_status = "processing"
        if script.jobs != "none":
            self._finish_later(record, script, "enhancement")
        if script.jobs == "both":
            self._finish_later(record, script, "analysis")

    def _finish_later(self, record: Record, script: Script, job: str) -> None:
        revision, fails = record.revision, script.failing in (job, "both")

        def finish() -> None:
            if record.revision != revision:
                return
            if job == "enhancement":
                record.enhance_status = "failed" if fails else "enhanced"
            else:
                record.status = "failed" if fails else "completed"

        self._loop.call_later(self._given(script.job_ms, self.pace.job_s), finish)

    # ------------------------------------------------------------------------------- time

    def _drawn(self, within: Range) -> float:
        return self._rng.uniform(*within)

    def _given(self, milliseconds: int, within: Range) -> float:
        """What a script says, or what the pace has it be."""
        return milliseconds / 1000 if milliseconds >= 0 else self._drawn(within)

    async def _until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - self._loop.time()))


_BREAKS = {"reset": "connection_reset", "close": "disconnected", "truncated": "reply_garbled"}
"""How the connection ends where an answer was due, in the real adapter's words."""


def _raw(reply: Reply) -> RawReply:
    status, headers, body = reply
    kind = "text/html" if body == UNREADABLE else "application/json"
    head = (("content-type", kind), *headers.items())
    return RawReply(status, HTTPStatus(status).phrase, head, body)
