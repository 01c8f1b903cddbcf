"""One connection, from its first byte to its end."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types

from listener.adapters.credentials import CredentialsFailed, Fresh, secrets_of
from listener.core.names import GapReason, Millis
from listener.ports.event_source import Listening, Resume

from .client import SILENT, TrackedClient, end_tasks
from .endpoint import Endpoint, OnConnect
from .holders import let_go
from .link import SERVER_2X, End, FrameClock, Link
from .packets import HEARD, HeardPacket, fast_prefixes
from .reasons import name_failure, name_loss, name_refusal, presentable, says_no
from .reception import Reception
from .recovery import Recovery
from .signals import SignalQueue
from .sockets import tapped_response, tapped_socket, watched_requests

CLOSE_S = 1.0
"""For a farewell. A peer that is gone does not answer one."""

CHECK_S = 1.0
"""How often the frame clock is looked at: a machine that slept may wake up to a dead connection."""


class Room(Protocol):
    """What a connection shares with those before and after it."""

    @property
    def queue(self) -> SignalQueue:
        """Where its signals go."""
        ...

    recovery: Recovery
    numbers: Iterator[int]
    clock: FrameClock


class Connection:
    """Used once. ``listened``: a ``Listening`` was queued. ``offered``: what was sent for recovery.
    ``answered``: the server said what became of it; ``answered_at``: when, by the monotonic
    clock."""

    def __init__(self, endpoint: Endpoint, room: Room) -> None:
        self._endpoint = endpoint
        self._queue = room.queue
        self._told: Callable[[Listening], Listening] | None = None
        self._recovery = room.recovery
        self.link = Link(endpoint.namespace, room.clock, endpoint.overhearing)
        self.offered: Resume | None = None
        self.answered = False
        self.answered_at: float | None = None
        self.listened = False
        self._listened_ms: Millis | None = None
        self._may_offer = True
        self._recovered = False
        self._gap_reason: GapReason | None = None
        self._secrets: tuple[str, ...] = ()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reception = Reception(
            room.queue,
            room.numbers,
            room.recovery,
            self.link,
            event=endpoint.event,
            others=endpoint.others,
            read=endpoint.read,
            offered=lambda: self.offered,
        )

    async def live(self) -> End:
        """Connect, subscribe, and stay until the end, which is returned. Leaves nothing behind."""
        target = await self._target()
        if isinstance(target, End):
            return target
        session = self._session(target["headers"])
        client = self._client(session)
        try:
            await self._ask_for_holders(session, target["url"])
            await self._connect(client, target)
            if self.link.end is None and not self.listened:
                await self._subscribe(client)
            if self.link.end is None:
                await self._watch(client)
            # What was received before the end is handled before we say that it ended.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            self._reception.shut()
            await self._abandon(client, session)
        end = await self.link.wait_end()
        return End(
            end.reason,
            presentable(end.detail, self._secrets),
            refused=end.refused,
            overflow=end.overflow,
            choked=end.choked,
        )

    @property
    def heard_ms(self) -> Millis | None:
        """When it last heard an event, or else began to listen; None before that."""
        return self._reception.heard_ms or self._listened_ms

    def retire(self, end: End) -> None:
        """Hear nothing more, and end. At any time of its life."""
        self._reception.shut()
        self.link.close(end)

    def move(
        self,
        queue: SignalQueue,
        numbers: Iterator[int],
        told: Callable[[Listening], Listening],
    ) -> None:
        """It lived aside, and takes the place of another one. ``told``: how it is said that it
        listens, if it does not yet."""
        self._queue, self._told = queue, told
        self._reception.move(queue, numbers)

    # ------------------------------------------------------------------------------- setting up

    async def _target(self) -> dict[str, Any] | End:
        """The arguments of the library's connect(), all of them new."""
        endpoint = self._endpoint
        asked = "auth"
        try:
            async with asyncio.timeout(endpoint.connect_timeout_s):
                auth = await _fresh(endpoint.auth)
                asked = "headers"
                headers = await _fresh(endpoint.headers)
                asked = "query"
                query = await _fresh(endpoint.query)
            asked = "url"
            url = endpoint.url_with(query)
        except Exception as error:  # noqa: BLE001  theirs: a token may be unobtainable for a while
            how = str(error) if isinstance(error, CredentialsFailed) else type(error).__name__
            return End("no_credentials", f"{asked}: {how}", refused=True)
        self._secrets = secrets_of(auth, headers, query)

        def auth_with_offer() -> dict[str, Any]:
            # Called when the handshake's answer is there: only then is the offer sent.
            if "websocket" in endpoint.transports and self._may_offer:
                self.offered = self._recovery.offer()
            if self.offered is None:
                return auth
            self._recovery.offered(self.link.engine_id)
            return {**auth, "pid": self.offered.pid, "offset": self.offered.offset}

        return {
            "url": url,
            "headers": headers,
            "auth": auth_with_offer,
            "transports": list(endpoint.transports),
            "namespaces": [endpoint.namespace],
            "socketio_path": endpoint.path,
            # The bound is ours; this one is only to be no shorter.
            "wait_timeout": 2 * endpoint.connect_timeout_s,
        }

    def _session(self, headers: Mapping[str, str]) -> aiohttp.ClientSession:
        endpoint = self._endpoint
        names = (endpoint.event, endpoint.namespace, sorted(endpoint.others))
        fast = fast_prefixes(*names) if endpoint.fast_path else None
        return aiohttp.ClientSession(
            # The library sends them with the first request alone.
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=endpoint.ssl_context or True),
            proxy=endpoint.proxy,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            ws_response_class=tapped_socket(self.link, self._reception, fast, self._opened),
            response_class=tapped_response(self.link, endpoint.max_message_bytes),
            middlewares=(watched_requests(self.link),),
        )

    def _client(self, session: aiohttp.ClientSession) -> TrackedClient:
        endpoint = self._endpoint
        client = TrackedClient(
            reconnection=False,
            handle_sigint=False,
            logger=SILENT,
            engineio_logger=SILENT,
            serializer=HeardPacket,
            http_session=session,
            request_timeout=endpoint.connect_timeout_s,
            websocket_extra_options={"max_msg_size": endpoint.max_message_bytes},
        )
        client.on("connect", lambda: self._on_connect(client), namespace=endpoint.namespace)
        client.on("connect_error", self._on_refused, namespace=endpoint.namespace)
        client.on("disconnect", self._on_disconnect, namespace=endpoint.namespace)
        client.on(HEARD, self._reception.handle, namespace=endpoint.namespace)
        return client

    def _opened(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    # ------------------------------------------------------------- handlers, in the library's tasks

    def _on_connect(self, client: TrackedClient) -> None:
        """The server took us into the namespace. Nothing is awaited here."""
        if self.answered or self.link.end is not None:
            return
        if self.link.sid is None:
            # That of a newer one has it.
            self.link.close(SERVER_2X)
            return
        self.answered = True
        self.answered_at = self.link.clock.monotonic()
        self._recovered, self._gap_reason = self._recovery.answered(
            self.link.pid, client.transport(), self.offered
        )
        if not self._recovered and self.link.pid != getattr(self.offered, "pid", None):
            self._recovery.begun(self.link.engine_id)
        self._reception.connected = True
        if self._recovered or not self._endpoint.on_connect:
            self._listen(client)
        else:
            self._reception.on_record = False

    def _on_refused(self, *said: object) -> None:
        if self.link.status is None and self.link.fault is None and self.link.patience_s:
            self.link.close(name_refusal(said[0] if said else None))

    def _on_disconnect(self, reason: object = None) -> None:
        clock, patience_s = self.link.clock, self.link.patience_s
        if reason == socketio.AsyncClient.reason.SERVER_DISCONNECT:
            self.link.close(End("server_disconnect"))
        elif patience_s and clock.monotonic() - clock.last_at >= patience_s * 0.9:
            self.link.close(self._silence(patience_s))
        else:
            self.link.close(name_loss(self.link))

    # ------------------------------------------------------------------------------- its phases

    async def _ask_for_holders(self, session: aiohttp.ClientSession, url: str) -> None:
        """Before the handshake: whether our session may be offered in it."""
        holders = self._recovery.holders
        if holders and self._recovery.offer() is not None:
            self._may_offer = await self._let_go(session, url, holders)
            if self._may_offer:
                self._recovery.let_go()

    async def _let_go(
        self, session: aiohttp.ClientSession, url: str, holders: Sequence[str]
    ) -> bool:
        return await let_go(session, url, self._endpoint.path, holders)

    async def _connect(self, client: TrackedClient, target: dict[str, Any]) -> None:
        raised: BaseException | None = None
        try:
            await self._unless_ended(client.connect(**target), self._endpoint.connect_timeout_s)
        except Exception as error:  # noqa: BLE001  the library raises anything for a strange answer
            raised = error
        if self.link.end is None and (raised is not None or not self.answered):
            self.link.close(name_failure(self.link, raised))

    async def _subscribe(self, client: TrackedClient) -> None:
        """The on-connect emits, one after the other, each acknowledged."""
        last = len(self._endpoint.on_connect) - 1
        for number, emit in enumerate(self._endpoint.on_connect):
            if self.link.end is not None:
                return
            await self._emit(client, emit, is_last=number == last)

    async def _emit(self, client: TrackedClient, emit: OnConnect, *, is_last: bool) -> None:
        done = asyncio.get_running_loop().create_future()

        def acknowledged(*answer: object) -> None:
            # In the library's task, so that what follows on the wire follows in the queue.
            if says_no(answer):
                end = End("subscribe_refused", f"{emit.event} was refused", refused=True)
                self.link.close(end)
            elif is_last:
                self._listen(client)
            if not done.done():
                done.set_result(None)

        wait_s = emit.ack_timeout_s
        try:
            await client.emit(
                emit.event,
                emit.args,
                namespace=self._endpoint.namespace,
                callback=None if wait_s is None else acknowledged,
            )
            if wait_s is None:
                acknowledged()
            else:
                await self._unless_ended(_result(done), wait_s)
        except TimeoutError:
            end = End("subscribe_timeout", f"{emit.event} was not acknowledged in {wait_s:g} s")
            self.link.close(end)
        except socketio.exceptions.SocketIOError as error:
            self.link.close(End("subscribe_failed", f"{emit.event}: {type(error).__name__}"))

    def _listen(self, client: TrackedClient) -> None:
        self.listened = True
        self._reception.on_record = True
        self._recovery.listening()
        self.link.clock.turn()
        self._listened_ms = self.link.clock.now_ms()
        began = Listening(
            at_ms=self._listened_ms,
            recovered=self._recovered,
            gap_reason=self._gap_reason,
            pid=self.link.pid,
            transport=client.transport(),
        )
        self._queue.put(began if self._told is None else self._told(began))

    async def _watch(self, client: TrackedClient) -> None:
        """Until the end, which any of three may notice: the frames, the clock, the library."""
        watchers = [
            asyncio.create_task(self._watch_clock()),
            asyncio.create_task(self._watch_library(client)),
        ]
        try:
            await self.link.wait_end()
        finally:
            await end_tasks(watchers)

    async def _watch_clock(self) -> None:
        """A server that is gone without a word: no frame, not even a ping, for too long."""
        clock, patience_s = (
            self.link.clock,
            self.link.patience_s or self._endpoint.connect_timeout_s,
        )
        limit_s = patience_s + self._endpoint.silence_margin_s
        while self.link.end is None:
            clock.turn()
            left_s = limit_s - (clock.monotonic() - clock.last_at)
            if left_s <= 0:
                self.link.close(self._silence(limit_s))
                return
            await asyncio.sleep(min(left_s, CHECK_S))

    async def _watch_library(self, client: TrackedClient) -> None:
        """The library's read loop may die without calling a handler."""
        # Not client.wait(): to cancel that is to cancel the read loop.
        reader: asyncio.Task[None] | None = client.eio.read_loop_task
        if reader is not None:
            await asyncio.wait({reader})
            error = None if reader.cancelled() else reader.exception()
            if error is not None:
                self.link.close(End("library_failed", type(error).__name__, choked=True))
        self.link.close(End("transport_closed"))

    def _silence(self, limit_s: float) -> End:
        return End("silent", f"no frame, not even a ping, in {limit_s:g} s")

    async def _unless_ended(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """The result of ``work``, None if the connection ended first. Raises TimeoutError.

        The library swallows cancellations in places, so the bound is not left to one.
        """
        task = asyncio.ensure_future(work)
        ended = asyncio.ensure_future(self.link.wait_end())
        try:
            await asyncio.wait({task, ended}, timeout=timeout_s, return_when="FIRST_COMPLETED")
            if task.cancelled():
                raise ConnectionAbortedError("the library gave up")
            if task.done():
                return task.result()
            if ended.done():
                return None
            raise TimeoutError
        finally:
            await end_tasks((task, ended))

    async def _abandon(self, client: TrackedClient, session: aiohttp.ClientSession) -> None:
        try:
            await client.abandon(CLOSE_S)
        finally:
            if self._socket is not None and not self._socket.closed:
                with suppress(TimeoutError, aiohttp.ClientError):
                    async with asyncio.timeout(CLOSE_S):
                        await self._socket.close()
            await session.close()


async def _result(done: asyncio.Future[None]) -> None:
    await done


async def _fresh(source: Fresh) -> dict[str, Any]:
    made = source()
    return dict((await made if inspect.isawaitable(made) else made) or {})
