"""What opens the upstream's doors: made by a user's function, and looked for in what is said."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from listener.core.errors import place_of

SHORTEST_SECRET = 4

Made = Mapping[str, Any] | None
Fresh = Callable[[], Made | Awaitable[Made]]
"""Called at each attempt, for an object of its own: tokens expire, and libraries write into what
they are given."""

Outcome = tuple[object, str]
"""What a function returned, and how it failed (empty: it did not)."""


class CredentialsFailed(Exception):
    """A function of the user's made none. The text names the kind of what it raised, and where:
    its own words may hold a secret."""


class Asked:
    """A function of the user's, as a ``Fresh``: called anew each time, and never in the loop's way.

    A coroutine function is awaited. Any other runs in a thread, for it may block: in one at most,
    for while a call is under way whoever asks again waits for that one. A thread that never ends
    holds up neither the loop nor the end of the process. How long to wait is the caller's business.

    ``read`` takes what was made, and returns what can be sent; it raises ValueError. ``told`` is
    called with each text in it that nothing may show.
    """

    def __init__(
        self,
        function: Callable[[], object],
        read: Callable[[Any], Any],
        told: Callable[[str], None],
    ) -> None:
        self._function = function
        self._read = read
        self._told = told
        self._call: asyncio.Future[Outcome] | None = None

    async def __call__(self) -> Made:
        """Raises CredentialsFailed."""
        made, failed = await self._made()
        if not failed and made is not None:
            made, failed = self._read_safely(made)
        if failed:
            raise CredentialsFailed(failed)
        found: Any = made
        for secret in secrets_of(found):
            self._told(secret)
        return found  # type: ignore[no-any-return]  # as the reader returned it

    async def _made(self) -> Outcome:
        if inspect.iscoroutinefunction(self._function):
            made: object = self._function()
        else:
            made, failed = await self._in_thread()
            if failed or not inspect.isawaitable(made):
                return made, failed
        # A task of its own: its cancellation by itself must not look like ours.
        task = asyncio.ensure_future(_outcome(made))  # type: ignore[arg-type]  # it is awaitable
        try:
            await asyncio.wait({task})
            return task.result()
        finally:
            task.cancel()

    async def _in_thread(self) -> Outcome:
        loop = asyncio.get_running_loop()
        call = self._call
        if call is None or call.done():
            call = self._call = loop.create_future()
            # A daemon, unlike those of the loop's executor: the process does not wait for it.
            threading.Thread(
                target=self._run, args=(loop, call), name="credentials", daemon=True
            ).start()
        # Not awaited itself: a caller who waits no longer must not end it for the others.
        await asyncio.wait({call})
        return call.result()

    def _run(self, loop: asyncio.AbstractEventLoop, call: asyncio.Future[Outcome]) -> None:
        """In the thread."""
        try:
            outcome: Outcome = self._function(), ""
        except BaseException as error:  # noqa: BLE001  theirs, and nobody else would see it
            outcome = None, f"raised {type(error).__name__} at {place_of(error)}"
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(call.set_result, outcome)

    def _read_safely(self, made: object) -> Outcome:
        try:
            if isinstance(made, Mapping):
                return self._read(dict(made)), ""
        except ValueError:
            pass
        return None, f"made what cannot be sent, a {type(made).__name__}"


async def _outcome(made: Awaitable[object]) -> Outcome:
    try:
        return await made, ""
    except BaseException as error:  # noqa: BLE001  theirs: it is no reason to end the daemon
        return None, f"raised {type(error).__name__} at {place_of(error)}"


def secrets_of(*sources: Mapping[str, object] | None) -> tuple[str, ...]:
    """The texts in auth, headers and query that a server may repeat to us, the longest first."""
    found = {text for source in sources if source for text in _texts(source.values())}
    return tuple(sorted(found, key=len, reverse=True))


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, str) and len(value) >= SHORTEST_SECRET:
            yield value
            # "Bearer …": the token alone, too.
            yield from (word for word in value.split() if len(word) > SHORTEST_SECRET)
        elif isinstance(value, Mapping | list | tuple):
            yield from _texts(value.values() if isinstance(value, Mapping) else value)
