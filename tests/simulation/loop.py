"""An asyncio loop on virtual time: no wall clock, threads or sockets, and a seeded order."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Mapping
from typing import Any

MOST_TURNS = 50_000
"""Turns of the loop without any time passing, after which it is a spin and no longer work."""


class _InOrder(dict[Any, None]):
    """A set that is gone through in the order in which it was filled."""

    def add(self, item: object) -> None:
        self[item] = None

    def discard(self, item: object) -> None:
        self.pop(item, None)


# A group that is cancelled cancels its tasks in the order of a set, and that is the order of their
# addresses: another in each process, and with it another life of one seed.
asyncio.taskgroups.set = _InOrder  # type: ignore[attr-defined]  # it shadows the built-in one there


class _NoSelector(selectors.BaseSelector):
    """Never asks the operating system; waiting only moves the clock."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._idle_turns = 0
        self.advance: Callable[[float], None] = lambda seconds: None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._keys[fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("the simulation stands still: nothing is scheduled, ever")
        if timeout > 0:
            self.advance(timeout)
            self._idle_turns = 0
        self._idle_turns += 1
        if self._idle_turns > MOST_TURNS:
            raise AssertionError("the simulation spins: work without end at one moment in time")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``seed`` decides in which order tasks that are ready run.

    Uses the loop's own ``_run_once`` and ``_ready``: private, and so run on every Python that the
    project supports.
    """

    _ready: Any

    def __init__(self, seed: int, shuffle: bool = True) -> None:
        selector = _NoSelector()
        self._now = 0.0
        self._random = random.Random(seed)
        self._shuffle = shuffle
        super().__init__(selector)
        selector.advance = self._advance
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def stall(self, seconds: float) -> None:
        """Time that passes while something holds the loop: nothing runs, everything is late."""
        self._now += seconds

    def _advance(self, seconds: float) -> None:
        self._now += seconds

    def _run_once(self) -> None:
        if self._shuffle and len(self._ready) > 1:
            ready = list(self._ready)
            self._random.shuffle(ready)
            self._ready.clear()
            self._ready.extend(ready)
        super()._run_once()  # type: ignore[misc]  # private, see the class


def run_virtual(seed: int, main: Callable[[VirtualLoop], Any], shuffle: bool = True) -> Any:
    """Run one coroutine function to its end on a fresh virtual loop."""
    loop = VirtualLoop(seed, shuffle)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main(loop))
    finally:
        asyncio.set_event_loop(None)
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()
