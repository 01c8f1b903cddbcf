"""Connection State Recovery: what to offer a server, and what its answer means.

Which offset may be offered? On disk is what counts after a crash, and there the journal's is all
that is known. Within a process an event that was received is either on disk or in our queue on its
way there, and a process that dies forgets this memory together with its queue. So the last offset
*received* is offered: the last one committed would bring every event in the queue a second time.
What is not queued (we overflowed) must not be remembered; the caller sees to that.
"""

from __future__ import annotations

from listener.core.names import GapReason
from listener.ports.event_source import Resume

POISON = 9
CHOKED = 3
"""Strikes against one offset: three times we choked on what it brings, or nine times the connection
ended otherwise (an outage looks like that, too), and it is offered no more."""


class Recovery:
    """The memory of one process, over all its connections."""

    def __init__(self, resume: Resume) -> None:
        self._pid = resume.pid
        self._offset = resume.offset
        self._fresh = resume.pid is None
        self._strikes = 0
        self._poisoned = False
        self._overflowed = False
        self._bare = False
        self._holders: list[str] = []
        self._offered = False

    @property
    def pid(self) -> str | None:
        """The server's id of the session in hand: without one, it appends no offsets."""
        return self._pid

    def offer(self) -> Resume | None:
        """What to put into the connection's auth, or None where nothing can be recovered."""
        if self._pid is None or self._offset is None:
            return None
        return Resume(self._pid, self._offset)

    @property
    def holders(self) -> tuple[str, ...]:
        """The connections that a server may hold the session in hand for, and that it must have let
        go of before the session is offered again: see ``holders``. None, where it was never
        offered: the server has something to recover only once it has noticed the session's end."""
        return tuple(self._holders) if self._offered else ()

    def begun(self, engine_id: str | None) -> None:
        """A new session began on this connection."""
        self._holders = [engine_id] if engine_id is not None else []
        self._offered = False

    def offered(self, engine_id: str | None) -> None:
        """The session was offered on this connection, and may be recovered for it."""
        self._offered = True
        if engine_id is not None:
            self._holders.append(engine_id)

    def let_go(self) -> None:
        """The server knows none of the holders any more."""
        self._holders.clear()

    def received(self, offset: str) -> None:
        """An event that carried this offset is in the queue, or needs none (not one of ours)."""
        self._offset = offset
        self._strikes = 0
        self._bare = False

    def received_bare(self) -> None:
        """An event that should have carried an offset came without one."""
        self._bare = True

    def overflowed(self) -> None:
        """An event was not queued for want of room: if it is not replayed, that is why."""
        self._overflowed = True

    def failed(self, *, choked: bool) -> None:
        """A connection that was offered our offset ended before the server said what became of
        it, and without a refusal. ``choked``: on something that we could not read."""
        self._strikes += CHOKED if choked else 1
        if self._strikes >= POISON:
            self._offset = None
            self._poisoned = True

    def answered(
        self, pid: str | None, transport: str, offered: Resume | None
    ) -> tuple[bool, GapReason | None]:
        """The server's CONNECT: whether nothing was missed, and if not, why not."""
        over_websocket = transport == "websocket"
        if over_websocket and offered is not None and pid is not None and pid == offered.pid:
            self._strikes = 0
            return True, None
        reason = self._reason(pid, over_websocket=over_websocket)
        if pid is None or pid != self._pid:
            self._offset = None
        self._pid = pid
        self._strikes = 0
        self._bare = False
        return False, reason

    def listening(self) -> None:
        """The subscription stands: what held before it is told."""
        self._fresh = self._poisoned = self._overflowed = False

    def _reason(self, pid: str | None, *, over_websocket: bool) -> GapReason:
        if self._fresh:
            return GapReason.STARTED
        if self._overflowed:
            return GapReason.OVERFLOW
        if not over_websocket:
            return GapReason.POLLING
        if self._poisoned:
            return GapReason.POISON
        if pid is None or self._pid is None:
            return GapReason.NO_RECOVERY_OFFERED
        if self._offset is None:
            return GapReason.ADAPTER_WITHOUT_RECOVERY if self._bare else GapReason.NO_OFFSET
        return GapReason.NOT_RECOVERED
