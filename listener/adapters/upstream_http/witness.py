"""What one request really did, seen from outside: the basis of every "not sent"."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Literal

import httpx

from .faults import UploadBroken

Phase = Literal["pool", "connect", "write", "read"]

_TIMEOUTS: Mapping[Phase, tuple[type[httpx.TimeoutException], str]] = {
    "pool": (httpx.PoolTimeout, "no connection became free in time"),
    "connect": (httpx.ConnectTimeout, "no connection could be made in time"),
    "write": (httpx.WriteTimeout, "the server stopped taking the request"),
    "read": (httpx.ReadTimeout, "the server did not answer in time"),
}


class Witness:
    """Filled while a request runs. Believe it only once the request is over.

    ``connected``: a connection was had, new or reused; before that not a byte can have left.
    ``reused``: it had served others before.
    ``expected`` is the announced length of the body, ``handed`` how much of it was given to the
    connection: what was never given cannot have been sent, whatever became of the rest.
    """

    def __init__(self) -> None:
        self.connected = False
        self.reused = False
        self.expected: int | None = None
        self.handed = 0
        self.connection: asyncio.Transport | None = None

    @property
    def whole(self) -> bool:
        """Whether the server may have the whole body."""
        return self.expected is None or self.handed >= self.expected

    @property
    def unsent(self) -> bool:
        """Proven: the server cannot have the whole request."""
        return not self.connected or not self.whole

    def cut(self) -> None:
        """Break the connection so that nothing still buffered here, or in the kernel, reaches the
        server once we have stopped looking: an update applied after the last enquiry would be
        taken for none."""
        if self.connection is None:
            return
        sock = self.connection.get_extra_info("socket")
        if sock is not None and sock.fileno() != -1:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.abort()
        self.connection = None


class PhaseClock:
    """One deadline that moves with the request's phase, each phase having its own timeout (seconds,
    by httpx's names; None: unbounded). A write is bounded chunk by chunk, and what is under way in
    the kernel by its arriving at all."""

    def __init__(self, timeouts: Mapping[str, float | None]) -> None:
        self._timeouts = timeouts
        self._deadline: asyncio.Timeout | None = None
        self._phase: Phase = "pool"
        self._expired = False

    @asynccontextmanager
    async def running(self, phase: Phase) -> AsyncIterator[None]:
        """Raises TimeoutError where a phase takes too long; ``failure`` then tells which."""
        self._phase = phase
        self._expired = False
        async with asyncio.timeout(self._timeouts.get(phase)) as deadline:
            self._deadline = deadline
            try:
                yield
            finally:
                self._deadline = None
                self._expired = deadline.expired()

    def enter(self, phase: Phase) -> None:
        """Begin a phase, or begin it anew."""
        if self._deadline is None or self._deadline.expired():
            return
        self._phase = phase
        limit = self._timeouts.get(phase)
        now = asyncio.get_running_loop().time()
        self._deadline.reschedule(None if limit is None else now + limit)

    @property
    def look_every_s(self) -> float:
        """How often to look whether a phase goes on."""
        steps = [self._timeouts.get("write"), self._timeouts.get("read")]
        return min([LOOK_EVERY_S, *(step / 4 for step in steps if step is not None)])

    def again(self) -> None:
        """Begin the phase under way anew: it goes on."""
        self.enter(self._phase)

    def failure(self) -> httpx.TimeoutException | None:
        """What httpx calls it where a deadline passed, else None."""
        if not self._expired:
            return None
        kind, text = _TIMEOUTS[self._phase]
        return kind(text)


LOOK_EVERY_S = 1.0
"""At what has arrived; four times within a step where that is shorter."""


class Upload:
    """The request's body on its way to the connection, counted before each chunk leaves.

    The kernel takes megabytes at once, which a slow line then takes minutes for. So as long as more
    of them is acknowledged from look to look, the clock's phase begins anew: a line that carries on
    is waited for, one that stands still is not.
    """

    def __init__(self, source: httpx.AsyncByteStream, witness: Witness, clock: PhaseClock) -> None:
        self._source = aiter(source)
        self._witness = witness
        self._clock = clock
        self._stopped = False
        self._arrived = 0
        self._look: asyncio.TimerHandle | None = None
        self.broken: Exception | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Asked for once the connection has taken the chunk before."""
        self._clock.enter("write")
        if self._look is None:
            self._look_again()
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            if not self._witness.whole:
                raise self._break(UploadBroken("the body ended before its length")) from None
            self._clock.enter("read")
            raise
        except Exception as error:
            self._break(error)
            raise
        if self._stopped:
            raise UploadBroken("the request is over")
        self._witness.handed += len(chunk)
        return chunk

    def stop(self) -> None:
        """Hand over nothing more, whoever asks."""
        self._stopped = True
        if self._look is not None:
            self._look.cancel()

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(self._clock.look_every_s, self._at_what_arrived)

    def _at_what_arrived(self) -> None:
        if self._stopped:
            return
        arrived = _acknowledged(self._witness.connection)
        if arrived > self._arrived:
            self._arrived = arrived
            self._clock.again()
        self._look_again()

    def _break(self, error: Exception) -> Exception:
        self.broken = error
        return error


_BYTES_ACKED = slice(120, 128)
"""Of Linux's ``struct tcp_info``: ``tcpi_bytes_acked``."""


def _acknowledged(connection: asyncio.Transport | None) -> int:
    """How many bytes of all that was sent the other side has; 0 where the system does not tell."""
    sock = None if connection is None else connection.get_extra_info("socket")
    if sock is None or sock.fileno() == -1 or not hasattr(socket, "TCP_INFO"):
        return 0
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    except OSError:
        return 0
    return int.from_bytes(told[_BYTES_ACKED], sys.byteorder)
